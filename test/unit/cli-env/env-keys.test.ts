import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../../src/cli/env.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { type Outcome, ran } from './console.ts';

const SECRET = 'real-secret-0123456789';
const TOKEN = 'sandbox-token-0123456789';

const policyFor = (sandbox: string, token: string): string => `version: 1
${sandbox}
secrets: { openai: { file: ../secret.txt }, github: { file: ../secret.txt } }
rules:
  - hosts: [api.openai.com]
    inject: [{ placeholder: { token: ${token}, value: "\${openai}", in: ["header:authorization"] } }]
  - { hosts: [api.github.com], inject: [{ bearer: "\${github}" }] }
`;

/** A folder with these policies, and the files that they name. */
function folderWith(policies: Readonly<Record<string, string>>): string {
  const cwd = temporaryFolder();
  mkdirSync(path.join(cwd, 'policies'));
  for (const [name, text] of Object.entries(policies)) writeFileSync(path.join(cwd, 'policies', name), text);
  writeFileSync(path.join(cwd, 'secret.txt'), SECRET, { mode: 0o600 });
  writeFileSync(path.join(cwd, 'token.txt'), TOKEN, { mode: 0o600 });
  return cwd;
}

const env = (cwd: string, ...args: readonly string[]): Promise<Outcome> => ran(run, cwd, '--format', 'json', ...args);
const ONE = { 'a.yaml': policyFor('', 'PSTRN-ONE-000001') };
const TWO = {
  'one.yaml': policyFor('sandbox: { name: one, match: [{ source: 10.0.0.1/32 }] }', 'PSTRN-ONE-000001'),
  'two.yaml': policyFor('sandbox: { name: two, match: [{ token: { file: ../token.txt } }] }', 'PSTRN-TWO-000001'),
};

describe('keys', () => {
  test('are those of the only sandbox, and no secret is among them', async () => {
    const { status, out, err } = await env(folderWith(ONE));
    expect([status, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toMatchObject({
      POSTERN_PLACEHOLDER_OPENAI: 'PSTRN-ONE-000001',
      OPENAI_API_KEY: 'PSTRN-ONE-000001',
      GITHUB_TOKEN: 'unused-postern-adds-it',
      GH_TOKEN: 'unused-postern-adds-it',
    });
    expect(out).not.toContain(SECRET);
    expect(out).not.toContain('secret.txt');
  });

  test('are told whether or not the secrets can be had', async () => {
    const cwd = folderWith({ 'a.yaml': policyFor('', 'PSTRN-ONE-000001').replaceAll('secret.txt', 'gone.txt') });
    expect(JSON.parse((await env(cwd)).out).OPENAI_API_KEY).toBe('PSTRN-ONE-000001');
  });

  test('are those of --policy', async () => {
    const cwd = folderWith(ONE);
    writeFileSync(path.join(cwd, 'other.yaml'), policyFor('', 'PSTRN-OTHER-0001'));
    expect(JSON.parse((await env(cwd, '--policy', 'other.yaml')).out).OPENAI_API_KEY).toBe('PSTRN-OTHER-0001');
  });

  test('are those of --sandbox, of nobody else, and of nobody where several could be meant', async () => {
    const cwd = folderWith(TWO);
    const one = await env(cwd, '--sandbox', 'one');
    expect(JSON.parse(one.out).OPENAI_API_KEY).toBe('PSTRN-ONE-000001');
    expect(one.out).not.toContain('PSTRN-TWO');
    const none = await env(cwd);
    expect(none.status).toBe(0);
    expect(none.err).toBe('postern env: no keys are printed; name a sandbox with --sandbox: one, two\n');
    expect(none.out).not.toContain('PSTRN');
    expect(JSON.parse(none.out)).toHaveProperty('SSL_CERT_FILE');
  });

  test('of a sandbox that is not there are wrong usage', async () => {
    const { status, out, err } = await env(folderWith(TWO), '--sandbox', 'three');
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/^postern env: there is no sandbox "three": one, two\n/);
  });

  test('of a policy that does not load are refused with its place', async () => {
    const { status, out, err } = await env(folderWith({ 'a.yaml': 'version: 1\nrule: []\n' }));
    expect([status, out]).toEqual([1, '']);
    expect(err).toMatch(/^policies\/a\.yaml:2:1 {2}rule {2}/);
  });

  test('of a policy that is asked for and missing are refused', async () => {
    const { status, err } = await env(temporaryFolder(), '--policy', 'nowhere.yaml');
    expect(status).toBe(1);
    expect(err).toContain('nowhere.yaml');
  });
});

describe('the token of a sandbox', () => {
  test('is not read from its file: who lacks it is told how to give it', async () => {
    const { status, out, err } = await env(folderWith(TWO), '--sandbox', 'two');
    expect(status).toBe(0);
    expect(err).toBe('postern env: two is recognised by its token; give it with --proxy http://two:TOKEN@host:port\n');
    expect(out).not.toContain(TOKEN);
  });

  test('stands in every proxy variable once it is given', async () => {
    const proxy = `http://two:${TOKEN}@10.0.0.9:8080`;
    const { out, err } = await env(folderWith(TWO), '--sandbox', 'two', '--proxy', proxy);
    expect(err).toBe('');
    const variables = JSON.parse(out);
    for (const name of ['HTTP_PROXY', 'https_proxy', 'WSS_PROXY']) expect(variables[name]).toBe(proxy);
  });
});

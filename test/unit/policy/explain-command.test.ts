import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../../src/cli/explain.ts';
import { temporaryFolder } from '../../support/folder.ts';

const POLICY = `version: 1
secrets:
  github: { env: GITHUB_TOKEN, hosts: [api.github.com] }
rules:
  - name: read
    hosts: [api.github.com]
    schemes: [https, http]
    methods: [GET]
    headers: { accept: { glob: "application/*" } }
    websocket: false
    inject: [{ bearer: "\${github}" }]
`;

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function explain(files: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Outcome> {
  const cwd = temporaryFolder();
  mkdirSync(join(cwd, 'policies'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  let out = '';
  let err = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    cwd,
    env: {},
  };
  return { status: await run(args, io), out, err };
}

const FILES = { 'policies/a.yaml': POLICY };
const ACCEPT = ['--header', 'Accept: application/json'];

describe('postern explain', () => {
  it('reads the policies that serve would read, and exits with 0 for what is allowed', async () => {
    const { status, out } = await explain(FILES, ...ACCEPT, 'GET', 'https://api.github.com/user');
    expect(out).toContain('allow  GET https://api.github.com:443/user\n');
    expect(out).toContain('read (policies/a.yaml:5)');
    expect(out).toContain('secrets    github');
    expect(status).toBe(0);
  });

  it('exits with 1 for what is denied', async () => {
    expect((await explain(FILES, 'GET', 'https://api.github.com/user')).status).toBe(1);
    const { status, out } = await explain(FILES, ...ACCEPT, '--json', 'POST', 'http://API.github.com.:80');
    expect(JSON.parse(out)).toMatchObject({
      decision: 'deny',
      code: 'METHOD_DENIED',
      url: 'http://api.github.com:80/',
    });
    expect(status).toBe(1);
  });

  it('takes wss:// as an upgrade, and a nominated field as gone', async () => {
    expect((await explain(FILES, ...ACCEPT, 'GET', 'wss://api.github.com/')).out).toContain('PROTOCOL_DENIED');
    const nominated = await explain(
      FILES,
      ...ACCEPT,
      '--header',
      'Connection: accept',
      'GET',
      'https://api.github.com/',
    );
    expect(nominated.out).toContain('RULE_DENIED');
  });

  it('reads the path as it is written, and leaves out a fragment', async () => {
    const paths = { 'policies/a.yaml': POLICY.replace('methods: [GET]', 'paths: ["/a/**"]') };
    const dotted = await explain(paths, ...ACCEPT, 'GET', 'https://api.github.com/a/../b');
    expect(dotted.out).toContain('PATH_AMBIGUOUS');
    const fragment = await explain(paths, ...ACCEPT, 'GET', 'https://api.github.com/a?q=1#x');
    expect(fragment.out).toContain('https://api.github.com:443/a?q=1\n');
    expect(fragment.status).toBe(0);
  });

  it('asks for the sandbox where there are several, and says which there are', async () => {
    const named = (name: string, source: string) =>
      POLICY.replace('version: 1', `version: 1\nsandbox: { name: ${name}, match: [{ source: ${source}/32 }] }`);
    const two = { 'policies/a.yaml': named('vm-1', '10.0.0.1'), 'policies/b.yaml': named('vm-2', '10.0.0.2') };
    const request = [...ACCEPT, 'GET', 'https://api.github.com/'];
    expect(await explain(two, ...request)).toMatchObject({
      status: 2,
      err: expect.stringContaining('--sandbox: vm-1, vm-2'),
    });
    expect(await explain(two, '--sandbox', 'vm-3', ...request)).toMatchObject({ status: 2 });
    expect((await explain(two, '--sandbox', 'vm-2', ...request)).out).toContain('sandbox    vm-2');
  });

  it('explains nothing from a file with an error, and prints where it is', async () => {
    const broken = { 'policies/a.yaml': POLICY.replace('[GET]', '[G T]') };
    const { status, err } = await explain(broken, 'GET', 'https://api.github.com/');
    expect(err).toMatch(/^policies\/a\.yaml:8:\d+ {2}rules\[0\]\.methods/);
    expect(status).toBe(1);
  });

  it('refuses a policy that forwards where postern.yaml does not allow it', async () => {
    const policy = 'version: 1\nrules:\n  - { hosts: [a.test], forward: "https://audit.example/in" }\n';
    expect(await explain({ 'policies/a.yaml': policy }, 'GET', 'https://a.test/')).toEqual({
      status: 1,
      out: '',
      err: 'policies/a.yaml:3:5  rules[0].forward  "audit.example:443" is not in "forward_to" of postern.yaml; an operator adds it there: forward_to: [ { host: audit.example } ]\n',
    });
    const allowed = 'version: 1\nforward_to: [ { host: audit.example } ]\n';
    const { status, out } = await explain(
      { 'policies/a.yaml': policy, 'postern.yaml': allowed },
      'GET',
      'https://a.test/',
    );
    expect([status, out]).toEqual([0, expect.stringContaining('to https://audit.example/in')]);
  });

  it('says so where there is no policy at all', async () => {
    expect(await explain({}, 'GET', 'https://api.github.com/')).toMatchObject({
      status: 1,
      err: expect.stringContaining('postern init'),
    });
    expect(await explain({}, '--policy', 'nowhere', 'GET', 'https://a.test/')).toMatchObject({ status: 1 });
  });

  it.each([
    [[]],
    [['GET']],
    [['GET', 'https://a.test/', 'more']],
    [['G T', 'https://a.test/']],
    [['GET', 'ftp://a.test/']],
    [['GET', 'a.test']],
    [['GET', 'https://user@a.test/']],
    [['GET', 'https://127.1/']],
    [['GET', 'https://a.test/', '--header', 'no colon']],
    [['GET', 'https://a.test/', '--unknown']],
  ])('is usage, with help, for %j', async (args) => {
    const { status, err } = await explain(FILES, ...args);
    expect(status).toBe(2);
    expect(err).toContain('postern explain [--policy PATH]');
  });
});

import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { run as runCa } from '../../../src/cli/ca.ts';
import { listenerUrl, run } from '../../../src/cli/env.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { openssl } from '../tls/tools.ts';
import { type Outcome, ran } from './console.ts';

const env = (cwd: string, ...args: readonly string[]): Promise<Outcome> => ran(run, cwd, ...args);

async function variablesOf(cwd: string, ...args: readonly string[]): Promise<Record<string, string>> {
  const { status, out, err } = await env(cwd, '--format', 'json', ...args);
  expect([status, err]).toEqual([0, '']);
  return JSON.parse(out);
}

describe('before anything ran', () => {
  test('the CA and the bundle are made, and the variables name them by absolute paths', async () => {
    const cwd = temporaryFolder();
    const variables = await variablesOf(cwd);
    const certs = path.join(cwd, 'certs');
    expect(readdirSync(certs).sort()).toEqual(['bundle.pem', 'ca-key.pem', 'ca.pem']);
    expect(variables.NODE_EXTRA_CA_CERTS).toBe(path.join(certs, 'ca.pem'));
    expect(variables.SSL_CERT_FILE).toBe(path.join(certs, 'bundle.pem'));
    expect(variables.HTTPS_PROXY).toBe('http://127.0.0.1:8080');
    expect(openssl('verify', '-CAfile', `${variables.SSL_CERT_FILE}`, `${variables.NODE_EXTRA_CA_CERTS}`)).toContain(
      ': OK',
    );
  });

  test('a second call changes nothing and prints the same', async () => {
    const cwd = temporaryFolder();
    const first = await env(cwd);
    const caPem = readFileSync(path.join(cwd, 'certs/ca.pem'), 'utf8');
    expect(await env(cwd)).toEqual(first);
    expect(readFileSync(path.join(cwd, 'certs/ca.pem'), 'utf8')).toBe(caPem);
  });

  test('nothing that is printed is secret', async () => {
    const cwd = temporaryFolder();
    const { out } = await env(cwd);
    const key = readFileSync(path.join(cwd, 'certs/ca-key.pem'), 'utf8').split('\n')[1] ?? '';
    expect(key.length).toBeGreaterThan(40);
    expect(out).not.toContain(key);
    expect(out).not.toContain('ca-key');
  });
});

describe('where the proxy is', () => {
  test.each([
    ['[127.0.0.1:3128]', 'http://127.0.0.1:3128'],
    ['[0.0.0.0:3128]', 'http://127.0.0.1:3128'],
    ['["[::]:3128"]', 'http://[::1]:3128'],
    ['["[::1]:3128"]', 'http://[::1]:3128'],
  ])('it listens on %s', async (listen, expected) => {
    const cwd = temporaryFolder();
    writeFileSync(path.join(cwd, 'postern.yaml'), `version: 1\nlisten: { proxy: ${listen} }\n`);
    expect((await variablesOf(cwd)).http_proxy).toBe(expected);
  });

  test('only --proxy can say, if it listens on a port that the system chooses', async () => {
    const cwd = temporaryFolder();
    writeFileSync(path.join(cwd, 'postern.yaml'), 'version: 1\nlisten: { proxy: [127.0.0.1:0] }\n');
    const { status, out, err } = await env(cwd);
    expect([status, out]).toEqual([1, '']);
    expect(err).toMatch(/port that the system chooses.*--proxy/);
    expect((await variablesOf(cwd, '--proxy', 'http://10.0.0.1:8080')).http_proxy).toBe('http://10.0.0.1:8080');
  });

  test('the first TCP listener counts, and sockets alone are no answer', () => {
    const socket = { kind: 'unix', path: '/run/p.sock', text: 'unix:/run/p.sock' } as const;
    const tcp = { kind: 'tcp', host: '10.0.0.1', port: 3128, text: '10.0.0.1:3128' } as const;
    expect(listenerUrl([socket, tcp])).toBe('http://10.0.0.1:3128');
    expect(() => listenerUrl([socket])).toThrow(/no TCP port.*--proxy/);
  });

  test.each([
    ['http://10.0.0.1:8080/', 'http://10.0.0.1:8080'],
    ['http://vm-42:token@10.0.0.1:8080', 'http://vm-42:token@10.0.0.1:8080'],
    ['http://host.docker.internal:8080', 'http://host.docker.internal:8080'],
  ])('--proxy %s', async (given, expected) => {
    expect((await variablesOf(temporaryFolder(), '--proxy', given)).https_proxy).toBe(expected);
  });

  test.each([
    '127.0.0.1:8080',
    'https://p:1',
    'socks5://p:1',
    'http://',
    'http://p:1/x',
    'http://p:1?q',
    'http://p:99999',
    '',
  ])('--proxy %j is wrong usage', async (given) => {
    const cwd = temporaryFolder();
    const { status, out, err } = await env(cwd, '--proxy', given);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain('--proxy is http://host:port');
    expect(readdirSync(cwd)).toEqual([]);
  });
});

describe('where the CA is', () => {
  test('postern.yaml says it, --ca-dir says otherwise, and --ca-at is where the sandbox sees it', async () => {
    const cwd = temporaryFolder();
    writeFileSync(path.join(cwd, 'postern.yaml'), 'version: 1\nca: { dir: authority/ }\n');
    expect((await variablesOf(cwd)).DENO_CERT).toBe(path.join(cwd, 'authority/ca.pem'));
    expect((await variablesOf(cwd, '--ca-dir', 'other')).DENO_CERT).toBe(path.join(cwd, 'other/ca.pem'));
    const seen = await variablesOf(cwd, '--ca-at', '/ca');
    expect([seen.DENO_CERT, seen.SSL_CERT_FILE]).toEqual(['/ca/ca.pem', '/ca/bundle.pem']);
  });

  test('the key is not needed where ca.pem is there', async () => {
    const cwd = temporaryFolder();
    await env(cwd);
    rmSync(path.join(cwd, 'certs/ca-key.pem'));
    expect((await env(cwd)).status).toBe(0);
  });

  test.each<[string, (certs: string) => void, RegExp]>([
    ['is damaged', (certs) => writeFileSync(path.join(certs, 'ca.pem'), 'x'), /ca\.pem {2}holds no PEM certificate/],
    ['is gone and its key is not', (certs) => rmSync(path.join(certs, 'ca.pem')), /ca\.pem {2}is missing, although/],
    [
      'is gone and its key can be read by all',
      (certs) => {
        rmSync(path.join(certs, 'ca.pem'));
        chmodSync(path.join(certs, 'ca-key.pem'), 0o644);
      },
      /ca-key\.pem {2}can be read.*chmod 600/,
    ],
    [
      'cannot have its bundle',
      (certs) => {
        rmSync(path.join(certs, 'bundle.pem'));
        mkdirSync(path.join(certs, 'bundle.pem'));
      },
      /bundle\.pem {2}cannot be written/,
    ],
  ])('nothing is printed for a shell to evaluate if it %s', async (_, spoil, message) => {
    const cwd = temporaryFolder();
    await env(cwd);
    spoil(path.join(cwd, 'certs'));
    const { status, out, err } = await env(cwd);
    expect([status, out]).toEqual([1, '']);
    expect(err).toMatch(message);
  });

  test('the bundle follows ca.pem', async () => {
    const cwd = temporaryFolder();
    await env(cwd);
    await ran(runCa, cwd, 'init', '--dir', 'other');
    const other = readFileSync(path.join(cwd, 'other/ca.pem'), 'utf8');
    writeFileSync(path.join(cwd, 'certs/ca.pem'), other);
    await env(cwd);
    expect(readFileSync(path.join(cwd, 'certs/bundle.pem'), 'utf8').startsWith(other)).toBe(true);
  });
});

describe('Java', () => {
  test('is told of a trust store once there is one, and warned of one that is of another CA', async () => {
    const cwd = temporaryFolder();
    await env(cwd);
    await ran(runCa, cwd, 'export', '--format', 'p12');
    expect((await variablesOf(cwd)).JAVA_TOOL_OPTIONS).toContain(
      `trustStore=${path.join(cwd, 'certs/truststore.p12')}`,
    );
    await ran(runCa, cwd, 'init', '--dir', 'other');
    writeFileSync(path.join(cwd, 'certs/ca.pem'), readFileSync(path.join(cwd, 'other/ca.pem')));
    const { status, out, err } = await env(cwd);
    expect(status).toBe(0);
    expect(out).not.toContain('JAVA_TOOL_OPTIONS');
    expect(err).toMatch(/truststore\.p12 {2}warning.*postern ca export/);
  });
});

test.each([['--format', 'yaml'], ['--nope'], ['extra']])(
  'wrong usage is exit status 2 with the help: %j',
  async (...args) => {
    const { status, out, err } = await env(temporaryFolder(), ...args);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain('postern env [--format sh|json|docker]');
  },
);

test('a postern.yaml that does not load is exit status 1 with its place', async () => {
  const cwd = temporaryFolder();
  writeFileSync(path.join(cwd, 'postern.yaml'), 'version: 1\nlisten: { prox: [127.0.0.1:1] }\n');
  const { status, out, err } = await env(cwd);
  expect([status, out]).toEqual([1, '']);
  expect(err).toMatch(/^postern\.yaml:2:\d+ /);
});

test('a --config that is not there is exit status 1', async () => {
  const { status, err } = await env(temporaryFolder(), '--config', 'nope.yaml');
  expect(status).toBe(1);
  expect(err).toMatch(/nope\.yaml.*ENOENT/);
});

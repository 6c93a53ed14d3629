import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadOrCreateAuthority } from '../../src/tls/authority-files.ts';
import { createLeafContexts } from '../../src/tls/leaf-contexts.ts';
import { temporaryFolder } from '../support/folder.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/postern.js', import.meta.url));

interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function postern(cwd: string, ...args: readonly string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { cwd, encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

const read = (cwd: string, name: string): string => readFileSync(path.join(cwd, 'certs', name), 'utf8');
const certificateIn = (cwd: string): X509Certificate => new X509Certificate(read(cwd, 'ca.pem'));

function isInstalled(program: string, ...args: readonly string[]): boolean {
  const found = spawnSync(program, args).status === 0;
  if (!found) console.warn(`SKIPPED: ${program} is not installed, the tests with it do not run`);
  return found;
}

describe('postern ca init', () => {
  test('makes a CA, says who it is and where its files are', () => {
    const cwd = temporaryFolder();
    const { status, out, err } = postern(cwd, 'ca', 'init');
    expect([status, err]).toEqual([0, '']);
    const root = certificateIn(cwd);
    expect(out).toContain(root.fingerprint256);
    expect(out).toContain(root.subject);
    for (const name of ['ca.pem', 'ca-key.pem', 'bundle.pem']) expect(out).toContain(path.join(cwd, 'certs', name));
    expect(readdirSync(path.join(cwd, 'certs')).sort()).toEqual(['bundle.pem', 'ca-key.pem', 'ca.pem']);
    expect(statSync(path.join(cwd, 'certs/ca-key.pem')).mode & 0o777).toBe(0o600);
    expect(out).not.toContain(read(cwd, 'ca-key.pem').split('\n')[1]);
  });

  test('takes a folder, a name and a number of days', () => {
    const cwd = temporaryFolder();
    const name = 'Acme, "Egress" + ünïcode';
    expect(postern(cwd, 'ca', 'init', '--dir', 'certs', '--days', '30', '--name', name).status).toBe(0);
    const root = certificateIn(cwd);
    expect(root.toLegacyObject().subject.CN).toBe(name);
    expect((root.validToDate.getTime() - Date.now()) / 86_400_000).toBeCloseTo(30, 1);
  });

  test('follows ca.dir of postern.yaml', () => {
    const cwd = temporaryFolder();
    writeFileSync(path.join(cwd, 'postern.yaml'), 'version: 1\nca: { dir: authority/ }\n');
    expect(postern(cwd, 'ca', 'init').status).toBe(0);
    expect(readdirSync(path.join(cwd, 'authority'))).toContain('ca.pem');
    expect(postern(cwd, 'ca', 'show').out).toContain(path.join(cwd, 'authority/ca.pem'));
  });

  test('leaves a CA that is there as it is', () => {
    const cwd = temporaryFolder();
    postern(cwd, 'ca', 'init');
    const before = [read(cwd, 'ca.pem'), read(cwd, 'ca-key.pem')];
    const { status, out, err } = postern(cwd, 'ca', 'init');
    expect([status, out]).toEqual([1, '']);
    expect(err).toMatch(/ca\.pem {2}is there already \(CN=Postern CA .*move ca\.pem and ca-key\.pem away/);
    expect([read(cwd, 'ca.pem'), read(cwd, 'ca-key.pem')]).toEqual(before);
  });

  test.each([
    ['ca.pem', /ca\.pem {2}is missing, although/],
    ['ca-key.pem', /ca-key\.pem {2}is missing, although/],
  ])('does not make a new half where %s is missing', (name, message) => {
    const cwd = temporaryFolder();
    postern(cwd, 'ca', 'init');
    rmSync(path.join(cwd, 'certs', name));
    const { status, err } = postern(cwd, 'ca', 'init');
    expect(status).toBe(1);
    expect(err).toMatch(message);
    expect(readdirSync(path.join(cwd, 'certs'))).not.toContain(name);
  });

  test('run twice at once, makes one CA: the other is told that it is there', async () => {
    const cwd = temporaryFolder();
    const start = (): ChildProcess => spawn(process.execPath, [PROGRAM, 'ca', 'init'], { cwd, stdio: 'ignore' });
    const statuses = await Promise.all(
      [start(), start(), start()].map(async (child) => (await once(child, 'close'))[0]),
    );
    expect(statuses.sort()).toEqual([0, 1, 1]);
    expect(postern(cwd, 'ca', 'show').status).toBe(0);
  });
});

describe('postern ca show', () => {
  test('prints the same as init did', () => {
    const cwd = temporaryFolder();
    const made = postern(cwd, 'ca', 'init');
    expect(postern(cwd, 'ca', 'show')).toEqual(made);
  });

  test('says what to do where there is none, and makes none', () => {
    const cwd = temporaryFolder();
    const { status, out, err } = postern(cwd, 'ca', 'show');
    expect([status, out]).toEqual([1, '']);
    expect(err).toMatch(/certs {2}holds no CA; run "postern ca init"/);
    expect(readdirSync(cwd)).toEqual([]);
  });

  test('says what is wrong with one that cannot be used', () => {
    const cwd = temporaryFolder();
    postern(cwd, 'ca', 'init');
    chmodSync(path.join(cwd, 'certs/ca-key.pem'), 0o644);
    const { status, err } = postern(cwd, 'ca', 'show');
    expect(status).toBe(1);
    expect(err).toMatch(/ca-key\.pem {2}can be read or written by others \(mode 0644\); run: chmod 600 \//);
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});

describe('postern ca export', () => {
  test('prints ca.pem, or the bundle that openssl verifies with', () => {
    const cwd = temporaryFolder();
    postern(cwd, 'ca', 'init');
    expect(postern(cwd, 'ca', 'export', '--format', 'pem')).toEqual({ status: 0, out: read(cwd, 'ca.pem'), err: '' });
    expect(postern(cwd, 'ca', 'export', '--format', 'bundle').out).toBe(read(cwd, 'bundle.pem'));
  });

  test('writes where --out says', () => {
    const cwd = temporaryFolder();
    postern(cwd, 'ca', 'init');
    const { status, out } = postern(cwd, 'ca', 'export', '--format', 'pem', '--out', 'copy.pem');
    expect([status, out]).toEqual([0, `${path.join(cwd, 'copy.pem')}\n`]);
    expect(readFileSync(path.join(cwd, 'copy.pem'), 'utf8')).toBe(read(cwd, 'ca.pem'));
  });

  test('writes a trust store that openssl reads with its password only', () => {
    const cwd = temporaryFolder();
    postern(cwd, 'ca', 'init');
    const { status, out } = postern(cwd, 'ca', 'export', '--format', 'p12');
    expect([status, out]).toEqual([0, `${path.join(cwd, 'certs/truststore.p12')}\n`]);
    const open = (password: string) =>
      spawnSync('openssl', ['pkcs12', '-in', out.trim(), '-nokeys', '-passin', `pass:${password}`], {
        encoding: 'utf8',
      });
    const count = (text: string): number => text.split('BEGIN CERTIFICATE').length - 1;
    expect(count(open('changeit').stdout)).toBe(count(read(cwd, 'bundle.pem')));
    expect(open('changed').status).not.toBe(0);
  });
});

test('rotate is refused clearly until it is there', () => {
  const cwd = temporaryFolder();
  const { status, err } = postern(cwd, 'ca', 'rotate');
  expect(status).toBe(1);
  expect(err).toMatch(/postern ca rotate {2}is not there yet/);
});

const JAVA_PROGRAM = `
import java.net.URI;
import java.nio.file.Files;
class Get {
  public static void main(String[] args) throws Exception {
    try (var in = URI.create(args[0]).toURL().openStream()) {
      System.out.println(new String(in.readAllBytes()));
    } catch (javax.net.ssl.SSLHandshakeException refused) {
      System.out.println("not trusted");
    }
  }
}
`;

describe.runIf(isInstalled('keytool', '-help'))('Java', () => {
  test('keytool lists every certificate of the store as trusted', () => {
    const cwd = temporaryFolder();
    postern(cwd, 'ca', 'init');
    const store = postern(cwd, 'ca', 'export', '--format', 'p12').out.trim();
    const args = ['-list', '-keystore', store, '-storepass', 'changeit', '-J-Duser.language=en'];
    const { stdout, status } = spawnSync('keytool', args, { encoding: 'utf8' });
    expect(status).toBe(0);
    const certificates = read(cwd, 'bundle.pem').split('BEGIN CERTIFICATE').length - 1;
    expect(stdout.match(/trustedCertEntry/g)).toHaveLength(certificates);
    expect(stdout).toContain(certificateIn(cwd).fingerprint256);
  });

  test.runIf(isInstalled('java', '-version'))(
    'trusts our leaves with the options that env prints, and not without',
    async () => {
      const cwd = temporaryFolder();
      const { authority } = await loadOrCreateAuthority({ dir: path.join(cwd, 'certs'), nowMs: Date.now() });
      const contexts = createLeafContexts({ authority, entriesMax: 1, leafTtlMs: 86_400_000 });
      const server = createServer((raw) => {
        const secure = new TLSSocket(raw, { isServer: true, secureContext: contexts.contextFor('localhost') });
        secure.on('error', () => raw.destroy());
        secure.once('data', () => secure.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'));
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      onTestFinished(() => {
        server.close();
      });
      const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
      postern(cwd, 'ca', 'export', '--format', 'p12');
      const variables: Record<string, string> = JSON.parse(postern(cwd, 'env', '--format', 'json').out);
      writeFileSync(path.join(cwd, 'Get.java'), JAVA_PROGRAM);
      expect(await printedByJava(cwd, url, { JAVA_TOOL_OPTIONS: variables.JAVA_TOOL_OPTIONS })).toBe('hello');
      expect(await printedByJava(cwd, url, {})).toBe('not trusted');
    },
  );
});

async function printedByJava(cwd: string, url: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn('java', ['Get.java', url], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  await once(child, 'close');
  return printed.trim();
}

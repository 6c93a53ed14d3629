import { execFileSync, spawn } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { AuthorityError } from '../../../src/tls/authority.ts';
import { loadAuthority, loadOrCreateAuthority } from '../../../src/tls/authority-files.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { CA_EXTENSIONS, openssl, opensslCa } from './tools.ts';

const DAY_MS = 86_400_000;
const load = (dir: string, nowMs = Date.now()) => loadOrCreateAuthority({ dir, nowMs });
const read = (dir: string, name: string): string => readFileSync(path.join(dir, name), 'utf8');
const write = (dir: string, name: string, text: string): void => writeFileSync(path.join(dir, name), text);

/** The name a certificate waits under until its key is in place. */
function pendingName(dir: string): string {
  const spki = createPublicKey(read(dir, 'ca-key.pem')).export({ type: 'spki', format: 'der' });
  return `ca.pem.new-${createHash('sha256').update(spki).digest('hex')}`;
}

describe('making a CA', () => {
  test('a folder with neither file gets both, the key for its owner alone', async () => {
    const dir = path.join(temporaryFolder(), 'deep', 'certs');
    const { authority, created } = await load(dir);
    expect(created).toBe(true);
    expect(readdirSync(dir).sort()).toEqual(['ca-key.pem', 'ca.pem']);
    expect(statSync(path.join(dir, 'ca-key.pem')).mode & 0o777).toBe(0o600);
    expect(authority.caPem).toBe(read(dir, 'ca.pem'));
    const root = new X509Certificate(read(dir, 'ca.pem'));
    expect(root.checkPrivateKey(createPrivateKey(read(dir, 'ca-key.pem')))).toBe(true);
    expect((root.validToDate.getTime() - Date.now()) / DAY_MS).toBeCloseTo(730, 1);
    expect(root.subject).toBe(`CN=Postern CA ${authority.keyId.slice(0, 8)}`);
  });

  test('what is there is read, not made again', async () => {
    const dir = temporaryFolder();
    const first = await load(dir);
    const texts = [read(dir, 'ca.pem'), read(dir, 'ca-key.pem')];
    const second = await load(dir);
    expect(second.created).toBe(false);
    expect(second.authority.id).toBe(first.authority.id);
    expect([read(dir, 'ca.pem'), read(dir, 'ca-key.pem')]).toEqual(texts);
  });

  test('processes that start at once agree on one pair', async () => {
    const dir = temporaryFolder();
    const module = path.resolve('src/tls/authority-files.ts');
    const program = `import { loadOrCreateAuthority } from ${JSON.stringify(module)};
      const { authority, created } = await loadOrCreateAuthority({ dir: ${JSON.stringify(dir)}, nowMs: Date.now() });
      console.log(JSON.stringify([authority.id, created]));`;
    const answers = await Promise.all(Array.from({ length: 4 }, () => outputOf(program)));
    const [ids, makers] = [answers.map(([id]) => id), answers.filter(([, created]) => created)];
    expect(new Set(ids).size).toBe(1);
    expect(makers).toHaveLength(1);
    expect(readdirSync(dir).sort()).toEqual(['ca-key.pem', 'ca.pem']);
  });

  test('calls at once in one process agree on one pair', async () => {
    const dir = temporaryFolder();
    const loaded = await Promise.all(Array.from({ length: 8 }, () => load(dir)));
    expect(new Set(loaded.map(({ authority }) => authority.id)).size).toBe(1);
    expect(readdirSync(dir).sort()).toEqual(['ca-key.pem', 'ca.pem']);
  });

  test('a creation that was killed before its key was in place is made anew, and leaves no key behind', async () => {
    const dir = temporaryFolder();
    await load(dir);
    const pending = pendingName(dir);
    renameSync(path.join(dir, 'ca.pem'), path.join(dir, pending));
    renameSync(path.join(dir, 'ca-key.pem'), path.join(dir, pending.replace('ca.', 'ca-key.')));
    expect((await load(dir)).created).toBe(true);
    expect(readdirSync(dir).sort()).toEqual(['ca-key.pem', 'ca.pem']);
  });

  test('a creation that was killed after its key was in place is completed', async () => {
    const dir = temporaryFolder();
    const { authority } = await load(dir);
    renameSync(path.join(dir, 'ca.pem'), path.join(dir, pendingName(dir)));
    const healed = await load(dir);
    expect(healed.created).toBe(false);
    expect(healed.authority.id).toBe(authority.id);
    expect(readdirSync(dir).sort()).toEqual(['ca-key.pem', 'ca.pem']);
  });

  test('a folder that cannot be made is an error that says so', async () => {
    const dir = temporaryFolder();
    write(dir, 'certs', 'a file in the way');
    await expect(load(path.join(dir, 'certs'))).rejects.toThrow(/certs.*\(E[A-Z]+\)/);
  });

  test('loadAuthority makes nothing', async () => {
    const dir = temporaryFolder();
    expect(await loadAuthority(dir, Date.now())).toBeNull();
    expect(readdirSync(dir)).toEqual([]);
  });
});

async function outputOf(program: string): Promise<[string, boolean]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await once(child, 'close');
  return JSON.parse(text);
}

/** Each case spoils a good CA, or makes a bad one; the message must name the file, what is wrong and what to do. */
const BAD: readonly (readonly [string, (dir: string) => void, RegExp])[] = [
  [
    'a certificate that lost a line',
    (dir) => write(dir, 'ca.pem', withoutLine(read(dir, 'ca.pem'), 3)),
    /ca\.pem {2}is damaged.*; put it back/,
  ],
  [
    'a certificate that lost its end',
    (dir) => write(dir, 'ca.pem', read(dir, 'ca.pem').slice(0, 200)),
    /ca\.pem {2}holds no PEM certificate/,
  ],
  [
    'a second certificate that lost its end',
    (dir) => write(dir, 'ca.pem', read(dir, 'ca.pem') + read(dir, 'ca.pem').slice(0, 200)),
    /ca\.pem {2}holds something that is not a whole/,
  ],
  ['an empty certificate file', (dir) => write(dir, 'ca.pem', ''), /ca\.pem {2}holds no PEM certificate/],
  [
    'a key in place of the certificate',
    (dir) => write(dir, 'ca.pem', read(dir, 'ca-key.pem')),
    /ca\.pem {2}holds no PEM certificate/,
  ],
  [
    'a damaged key',
    (dir) => write(dir, 'ca-key.pem', withoutLine(read(dir, 'ca-key.pem'), 2)),
    /ca-key\.pem {2}is damaged.*; put it back/,
  ],
  ['an empty key file', (dir) => write(dir, 'ca-key.pem', ''), /ca-key\.pem {2}is damaged/],
  ['an encrypted key', (dir) => encryptKey(dir), /ca-key\.pem {2}is encrypted; .*openssl pkey/],
  [
    'a key of another kind',
    (dir) => write(dir, 'ca-key.pem', openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048')),
    /ca\.pem {2}holds no certificate of the key in .*ca-key\.pem/,
  ],
  [
    'a key of another CA',
    (dir) => write(dir, 'ca-key.pem', newKey('P-256')),
    /ca\.pem {2}holds no certificate of the key in .*ca-key\.pem/,
  ],
  [
    'a key that others can read',
    (dir) => chmodSync(path.join(dir, 'ca-key.pem'), 0o644),
    /ca-key\.pem {2}can be read.*0644.*chmod 600/,
  ],
  [
    'a key that its group can read',
    (dir) => chmodSync(path.join(dir, 'ca-key.pem'), 0o640),
    /ca-key\.pem {2}can be read.*0640.*chmod 600/,
  ],
  [
    'a key that is missing',
    (dir) => renameSync(path.join(dir, 'ca-key.pem'), path.join(dir, 'elsewhere')),
    /ca-key\.pem {2}is missing, although .*ca\.pem is there; put the key back/,
  ],
  [
    'a certificate that is missing',
    (dir) => renameSync(path.join(dir, 'ca.pem'), path.join(dir, 'elsewhere')),
    /ca\.pem {2}is missing, although .*ca-key\.pem is there; put the certificate back/,
  ],
  [
    'a folder in place of the certificate',
    (dir) => asFolder(dir, 'ca.pem'),
    /ca\.pem {2}(is not a PEM file|cannot be read)/,
  ],
  ['a pipe in place of the key', (dir) => asPipe(dir, 'ca-key.pem'), /ca-key\.pem {2}is not a PEM file/],
  [
    'a certificate that is no CA',
    (dir) => opensslCa({ dir, extensions: ['basicConstraints=critical,CA:FALSE', ...CA_EXTENSIONS.slice(1)] }),
    /ca\.pem {2}is not a CA/,
  ],
  [
    'a certificate without basicConstraints',
    (dir) => opensslCa({ dir, extensions: CA_EXTENSIONS.slice(1) }),
    /ca\.pem {2}is not a CA/,
  ],
  [
    'basicConstraints that are not critical',
    (dir) => opensslCa({ dir, extensions: ['basicConstraints=CA:TRUE', ...CA_EXTENSIONS.slice(1)] }),
    /basicConstraints that are not critical/,
  ],
  [
    'a CA without keyUsage',
    (dir) => opensslCa({ dir, extensions: [CA_EXTENSIONS[0], CA_EXTENSIONS[2]] }),
    /has no keyUsage/,
  ],
  [
    'a CA that may not sign certificates',
    (dir) => opensslCa({ dir, extensions: [CA_EXTENSIONS[0], 'keyUsage=critical,digitalSignature', CA_EXTENSIONS[2]] }),
    /lacks keyCertSign/,
  ],
  [
    'a CA without subject key identifier',
    (dir) => opensslCa({ dir, extensions: [...CA_EXTENSIONS.slice(0, 2), 'subjectKeyIdentifier=none'] }),
    /has no subjectKeyIdentifier/,
  ],
  [
    'an Ed25519 key',
    (dir) => opensslCa({ dir, key: ['-algorithm', 'ED25519'] }),
    /ca-key\.pem {2}is a kind of key.*P-256/,
  ],
  [
    'an RSA key of 1024 bits',
    (dir) => opensslCa({ dir, key: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'] }),
    /ca-key\.pem {2}is a kind of key.*2048/,
  ],
];

const withoutLine = (text: string, at: number): string =>
  text
    .split('\n')
    .filter((_, index) => index !== at)
    .join('\n');
const newKey = (namedCurve: string): string =>
  generateKeyPairSync('ec', { namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

function encryptKey(dir: string): void {
  const key = path.join(dir, 'ca-key.pem');
  write(dir, 'ca-key.pem', openssl('pkey', '-in', key, '-aes256', '-passout', 'pass:secret'));
}

function asPipe(dir: string, name: string): void {
  renameSync(path.join(dir, name), path.join(dir, 'elsewhere'));
  execFileSync('mkfifo', ['-m', '600', path.join(dir, name)]);
}

function asFolder(dir: string, name: string): void {
  renameSync(path.join(dir, name), path.join(dir, 'elsewhere'));
  mkdirSync(path.join(dir, name));
}

function contents(dir: string): readonly (readonly [string, string])[] {
  const files = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map(({ name }) => [name, read(dir, name)] as const).sort();
}

describe('a CA that cannot be used is an error that says what to do, and nothing on the disk changes', () => {
  test.each(BAD)('%s', async (_, spoil, message) => {
    const dir = temporaryFolder();
    await load(dir);
    spoil(dir);
    const before = contents(dir);
    const error: unknown = await load(dir).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AuthorityError);
    expect(String(error)).toMatch(message);
    expect(contents(dir)).toEqual(before);
  });

  test('one that has expired', async () => {
    const dir = temporaryFolder();
    await load(dir);
    await expect(load(dir, Date.now() + 731 * DAY_MS)).rejects.toThrow(
      /ca\.pem {2}expired on \d{4}-\d\d-\d\d; move ca\.pem/,
    );
  });

  test('one that is not valid yet', async () => {
    const dir = temporaryFolder();
    await load(dir);
    await expect(load(dir, Date.now() - DAY_MS)).rejects.toThrow(/ca\.pem {2}is valid only from .*; set the clock/);
  });
});

describe('the certificate that signs', () => {
  test('during a rotation it is the one of the key, wherever it stands', async () => {
    const [old, next] = [temporaryFolder(), temporaryFolder()];
    const before = await load(old);
    await load(next);
    write(old, 'ca.pem', read(next, 'ca.pem') + read(old, 'ca.pem'));
    const { authority } = await load(old);
    expect(authority.keyId).toBe(before.authority.keyId);
    expect(authority.caPem.match(/BEGIN/g)).toHaveLength(2);
    expect(authority.id).not.toBe(before.authority.id);
    expect(authority.chainPem).toBe('');
  });

  test('text around the certificates is left out of what clients get', async () => {
    const dir = temporaryFolder();
    const { authority } = await load(dir);
    write(dir, 'ca.pem', `# our CA\r\n${read(dir, 'ca.pem').replaceAll('\n', '\r\n')}trailing words`);
    expect((await load(dir)).authority.caPem).toBe(authority.caPem);
  });
});

test('the key cannot be printed', async () => {
  const dir = temporaryFolder();
  const { authority } = await load(dir);
  const secret = read(dir, 'ca-key.pem').split('\n')[1] ?? '';
  const shown = inspect(authority, { depth: null, showHidden: true }) + JSON.stringify(authority);
  expect(secret.length).toBeGreaterThan(40);
  expect(shown).not.toContain(secret);
  expect(shown).not.toContain('PRIVATE');
  expect(existsSync(path.join(dir, 'ca.pem'))).toBe(true);
});

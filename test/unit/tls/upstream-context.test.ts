import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { connect, createServer, rootCertificates } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readSystemRoots } from '../../../src/tls/system-roots.ts';
import { buildUpstreamContext, readTrust } from '../../../src/tls/upstream-context.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { openssl, opensslCa, P256 } from './tools.ts';

interface Origin {
  readonly port: number;
  readonly caPem: string;
  readonly caFile: string;
  readonly leafPem: string;
}

/** A TLS server for origin.example under a CA of its own. */
async function origin(): Promise<Origin> {
  const dir = temporaryFolder();
  opensslCa({ dir });
  const [caFile = '', caKey = '', key = '', request = '', extensions = '', leaf = ''] = [
    'ca.pem',
    'ca-key.pem',
    'leaf-key.pem',
    'leaf.csr',
    'leaf.cnf',
    'leaf.pem',
  ].map((name) => path.join(dir, name));
  openssl('genpkey', ...P256, '-out', key);
  openssl('req', '-new', '-key', key, '-out', request, '-subj', '/CN=origin.example');
  writeFileSync(extensions, 'subjectAltName=DNS:origin.example\nauthorityKeyIdentifier=keyid');
  openssl(
    ...['x509', '-req', '-in', request, '-CA', caFile, '-CAkey', caKey, '-CAcreateserial'],
    ...['-days', '2', '-extfile', extensions, '-out', leaf],
  );
  const leafPem = readFileSync(leaf, 'utf8');
  const server = createServer({ key: readFileSync(key), cert: leafPem }, (socket) => socket.end('hello'));
  server.on('tlsClientError', () => undefined);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, caPem: readFileSync(caFile, 'utf8'), caFile, leafPem };
}

/** Connects with a context built from these texts; the code of the failure, or `trusted`. */
async function verdict(port: number, extraCaPems: readonly string[], servername = 'origin.example'): Promise<string> {
  const secureContext = buildUpstreamContext({ extraCaPems });
  const socket = connect({ host: '127.0.0.1', port, servername, secureContext, rejectUnauthorized: true });
  onTestFinished(() => {
    socket.destroy();
  });
  try {
    await once(socket, 'secureConnect');
    return 'trusted';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

describe('an upstream', () => {
  test('whose CA is not known is not trusted', async () => {
    const { port } = await origin();
    expect(await verdict(port, [])).toMatch(/UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT_LOCALLY)/);
  });

  test('whose CA was added is trusted, for its own name alone', async () => {
    const { port, caPem } = await origin();
    expect(await verdict(port, [caPem])).toBe('trusted');
    expect(await verdict(port, [caPem], 'other.example')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  test('whose CA stands second in an added text is trusted', async () => {
    const { port, caPem } = await origin();
    expect(await verdict(port, [`${rootCertificates[0]}\n${caPem}`])).toBe('trusted');
  });

  test.each([
    ['not trusted', 'because a variable of `postern env` in our own environment names its CA', false],
    ['trusted', 'there too once it is added', true],
  ])('is %s %s', async (expected, _, added) => {
    const { port, caFile } = await origin();
    const environment = { NODE_EXTRA_CA_CERTS: caFile, SSL_CERT_FILE: caFile };
    expect(await verdictInChild(port, added ? [caFile] : [], environment)).toBe(expected);
  });
});

/** As `verdict`, in a process of its own: Node reads such variables once. */
async function verdictInChild(port: number, files: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
  const module = path.resolve('src/tls/upstream-context.ts');
  const program = `import { connect } from 'node:tls';
    import { buildUpstreamContext, readTrust } from ${JSON.stringify(module)};
    const secureContext = buildUpstreamContext({ extraCaPems: (await readTrust(${JSON.stringify(files)})).pems });
    connect({ host: '127.0.0.1', port: ${port}, servername: 'origin.example', secureContext, rejectUnauthorized: true })
      .on('secureConnect', function () { console.log('trusted'); this.destroy(); })
      .on('error', () => console.log('not trusted'));`;
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  await once(child, 'close');
  return printed.trim();
}

describe('the context', () => {
  test('stays the same object while nothing changes, so that a reload costs nothing', async () => {
    const { caPem } = await origin();
    const first = buildUpstreamContext({ extraCaPems: [] });
    expect(buildUpstreamContext({ extraCaPems: [] })).toBe(first);
    const other = buildUpstreamContext({ extraCaPems: [caPem] });
    expect(other).not.toBe(first);
    expect(buildUpstreamContext({ extraCaPems: [caPem] })).toBe(other);
  });

  test.each(['', 'no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])(
    'is refused for a text that is not certificates: %j',
    (pem) => {
      expect(() => buildUpstreamContext({ extraCaPems: [pem] })).toThrow(TypeError);
    },
  );

  test('is made in milliseconds', () => {
    const extraCaPems = [`${rootCertificates[0]}`];
    const startMs = performance.now();
    buildUpstreamContext({ extraCaPems });
    const tookMs = performance.now() - startMs;
    console.info(`the trust of ${readSystemRoots().source} was read in ${tookMs.toFixed(1)} ms`);
    expect(tookMs).toBeLessThan(100);
  });
});

describe('files of trust', () => {
  test('are read as they are', async () => {
    const { caFile, caPem } = await origin();
    expect(await readTrust([caFile, caFile])).toEqual({ kind: 'pems', pems: [caPem, caPem] });
    expect(await readTrust([])).toEqual({ kind: 'pems', pems: [] });
  });

  test('that are missing, damaged or something else are refused by name', async () => {
    const { caFile, caPem } = await origin();
    const dir = temporaryFolder();
    const [missing, damaged] = [path.join(dir, 'missing.pem'), path.join(dir, 'damaged.pem')];
    writeFileSync(damaged, caPem + caPem.slice(0, 100));
    expect(await readTrust([caFile, missing])).toEqual({
      kind: 'refused',
      file: missing,
      why: 'cannot be read (ENOENT)',
    });
    const why = 'holds something that is not a whole PEM certificate';
    expect(await readTrust([damaged])).toEqual({ kind: 'refused', file: damaged, why });
  });
});

describe('the roots of the system', () => {
  test('are those of the first file that has any', () => {
    const dir = temporaryFolder();
    const [empty, roots] = [path.join(dir, 'empty.pem'), path.join(dir, 'roots.pem')];
    writeFileSync(empty, '');
    writeFileSync(roots, `${rootCertificates[0]}`);
    const files = [path.join(dir, 'missing.pem'), empty, roots];
    expect(readSystemRoots(files)).toEqual({ pem: `${rootCertificates[0]}\n`, source: roots });
  });

  test('are those inside Node where the system has none, and it says so', () => {
    const roots = readSystemRoots([]);
    expect(roots.source).toBe('bundled');
    expect(roots.pem.match(/BEGIN CERTIFICATE/g)?.length).toBe(rootCertificates.length);
  });
});

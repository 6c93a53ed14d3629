import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { isInstalled, runCommand } from '../support/command.ts';
import { listening } from '../support/listening.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';

closeOpened();

interface World {
  readonly postern: Postern;
  /** `https://origin.test:PORT` */
  readonly url: string;
  readonly authority: string;
  /** `http://plain.test:PORT` */
  readonly plainUrl: string;
  /** What `/git/` serves. */
  readonly gitRoot: string;
}

const BASIC = `Basic ${Buffer.from(`x-access-token:${SECRET}`).toString('base64')}`;

/** Answers 401 unless the credential was injected. */
function serve(gitRoot: () => string): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { authorization } = request.headers;
    if (authorization !== `Bearer ${SECRET}` && authorization !== BASIC) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end('no credential\n');
      return;
    }
    const path = (request.url ?? '').split('?')[0] ?? '';
    if (path.startsWith('/git/')) {
      const file = join(gitRoot(), path.slice('/git/'.length));
      if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) response.writeHead(404).end();
      else createReadStream(file).pipe(response);
      return;
    }
    const hash = createHash('sha256');
    let bytes = 0;
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
      hash.update(piece);
    });
    request.on('end', () => response.end(`${request.method} ${bytes} ${hash.digest('hex')}\n`));
  };
}

async function start(match = ''): Promise<World> {
  let gitRoot = '';
  const answer = serve(() => gitRoot);
  const port = await listening(createHttpsServer(certificateFor('origin.test'), answer));
  const plainPort = await listening(createHttpServer(answer));
  const policies = `version: 1
${match}
secrets: { token: { file: ../secret.txt } }
rules:
  - name: git
    hosts: [origin.test]
    ports: [${port}]
    paths: ["/git/**"]
    inject: [{ basic: { username: x-access-token, password: "\${token}" } }]
  - { name: all, hosts: [origin.test], ports: [${port}], inject: [{ bearer: "\${token}" }] }
  - { name: plain, hosts: [plain.test], schemes: [http], ports: [${plainPort}], inject: [{ bearer: "\${token}" }] }
`;
  const base = loopback();
  const postern = await startPostern({
    policies,
    ...base,
    files: { ...base.files, 'token.txt': 'token-0123456789abc' },
  });
  gitRoot = join(postern.folder, 'git');
  const authority = `origin.test:${port}`;
  return { postern, url: `https://${authority}`, authority, plainUrl: `http://plain.test:${plainPort}`, gitRoot };
}

/** A client that is not there is said to be missing, not taken for one that works. */
function needs(context: TestContext, program: string): void {
  if (isInstalled(program)) return;
  console.warn(`${program} is not installed: this client is not tested`);
  context.skip();
}

const MIB = 'x'.repeat(1024 * 1024);
const MIB_HASH = createHash('sha256').update(MIB).digest('hex');
const EMPTY_HASH = createHash('sha256').update('').digest('hex');

describe('curl', () => {
  const curl = ({ postern }: World, args: readonly string[], input?: string) =>
    runCommand(
      'curl',
      ['-sS', '--proxy', postern.proxyUrl, '--cacert', postern.caPath, ...args],
      input === undefined ? {} : { input },
    );

  it.for<readonly [what: string, args: (world: World) => readonly string[], input: string | null, wanted: RegExp]>([
    ['GET', ({ url }) => [`${url}/`], null, new RegExp(`^GET 0 ${EMPTY_HASH}\n$`)],
    [
      'POST of 1 MiB with Expect',
      ({ url }) => ['-H', 'Expect: 100-continue', '--data-binary', '@-', `${url}/`],
      MIB,
      new RegExp(`^POST 1048576 ${MIB_HASH}\n$`),
    ],
    [
      'an upload of unknown length',
      ({ url }) => ['-T', '-', `${url}/`],
      MIB,
      new RegExp(`^PUT 1048576 ${MIB_HASH}\n$`),
    ],
    ['HEAD', ({ url }) => ['-I', `${url}/`], null, /HTTP\/1\.1 200 OK\r\n/],
    ['HTTP/1.0', ({ url }) => ['--http1.0', `${url}/`], null, /^GET 0 /],
    ['two requests on one connection', ({ url }) => [`${url}/1`, `${url}/2`], null, /^GET 0 .*\nGET 0 .*\n$/],
    ['plain HTTP', ({ plainUrl }) => [`${plainUrl}/`], null, /^GET 0 /],
  ])('works: %s', async ([, args, input, wanted], context) => {
    needs(context, 'curl');
    const world = await start();
    const result = await curl(world, args(world), input ?? undefined);
    expect(result.stderr).toBe('');
    expect(result.stdout).toMatch(wanted);
    expect(result.code).toBe(0);
  });

  it('shows why a CONNECT was refused', async (context) => {
    needs(context, 'curl');
    const world = await start();
    const result = await curl(world, ['-v', 'https://evil.test/']);
    expect(result.code).toBe(56);
    expect(result.stderr).toMatch(/403 HOST_DENIED: Ask for a rule/);
  });

  it('passes with the token of its sandbox, and not without', async (context) => {
    needs(context, 'curl');
    const world = await start('sandbox: { name: vm, match: [{ token: { file: ../token.txt } }] }');
    const without = await curl(world, [`${world.url}/`]);
    expect(without.stderr).toMatch(/407/);
    const result = await curl(world, ['--proxy-user', 'vm:token-0123456789abc', `${world.url}/`]);
    expect(result.stdout).toMatch(/^GET 0 /);
    const plain = await curl(world, ['--proxy-user', 'vm:token-0123456789abc', `${world.plainUrl}/`]);
    expect(plain.stdout).toMatch(/^GET 0 /);
  });

  it('does not trust us without our CA', async (context) => {
    needs(context, 'curl');
    const { postern, url } = await start();
    const result = await runCommand('curl', ['-sS', '--proxy', postern.proxyUrl, `${url}/`]);
    expect(result.code).toBe(60);
  });
});

describe('Node', () => {
  const node = ({ postern }: World, script: string) =>
    runCommand(process.execPath, ['--input-type=module', '-e', script], {
      env: {
        NODE_USE_ENV_PROXY: '1',
        HTTPS_PROXY: postern.proxyUrl,
        HTTP_PROXY: postern.proxyUrl,
        NODE_EXTRA_CA_CERTS: postern.caPath,
      },
    });

  it('fetch works, with a body and without', async () => {
    const world = await start();
    const result = await node(
      world,
      `const show = async (answer) => process.stdout.write(await answer.text());
       await show(await fetch('${world.url}/'));
       await show(await fetch('${world.url}/', { method: 'POST', body: 'x'.repeat(1024 * 1024) }));`,
    );
    expect(result.stdout).toBe(`GET 0 ${EMPTY_HASH}\nPOST 1048576 ${MIB_HASH}\n`);
  });

  it('https works through an agent with proxyEnv', async () => {
    const world = await start();
    const result = await node(
      world,
      `import { get } from 'node:https'; get('${world.url}/', (answer) => answer.pipe(process.stdout));`,
    );
    expect(result.stdout).toBe(`GET 0 ${EMPTY_HASH}\n`);
  });
});

describe('Python', () => {
  it('urllib works, with strict verification of our certificates', async (context) => {
    needs(context, 'python3');
    const { postern, url } = await start();
    const script = `
import ssl, urllib.request
context = ssl.create_default_context(cafile=${JSON.stringify(postern.caPath)})
context.verify_flags |= ssl.VERIFY_X509_STRICT
opener = urllib.request.build_opener(urllib.request.ProxyHandler({'https': '${postern.proxyUrl}'}), urllib.request.HTTPSHandler(context=context))
print(opener.open('${url}/').read().decode(), end='')
print(opener.open(urllib.request.Request('${url}/', data=b'x' * 1048576)).read().decode(), end='')
`;
    const result = await runCommand('python3', ['-c', script]);
    expect([result.stdout, result.stderr]).toEqual([`GET 0 ${EMPTY_HASH}\nPOST 1048576 ${MIB_HASH}\n`, '']);
  });
});

describe('openssl', () => {
  it('s_client verifies the chain through the proxy', async (context) => {
    needs(context, 'openssl');
    const { postern, authority } = await start();
    const args = [
      's_client',
      '-proxy',
      `127.0.0.1:${postern.proxyPort}`,
      '-connect',
      authority,
      '-servername',
      'origin.test',
    ];
    const request = `GET / HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`;
    const verify = [
      '-CAfile',
      postern.caPath,
      '-verify_return_error',
      '-verify_hostname',
      'origin.test',
      '-x509_strict',
      '-ign_eof',
    ];
    const result = await runCommand('openssl', [...args, ...verify], { input: request });
    expect(result.stdout).toContain('Verify return code: 0 (ok)');
    expect(result.stdout).toContain(`GET 0 ${EMPTY_HASH}`);
  });
});

describe('git', () => {
  it('clones over HTTPS with a credential that it does not have', async (context) => {
    needs(context, 'git');
    const { postern, url, gitRoot } = await start();
    const work = join(postern.folder, 'work');
    mkdirSync(work, { recursive: true });
    mkdirSync(gitRoot, { recursive: true });
    const env = {
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_TERMINAL_PROMPT: '0',
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@test',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@test',
    };
    const git = async (cwd: string, ...args: readonly string[]): Promise<void> => {
      const result = await runCommand('git', args, { cwd, env });
      if (result.code !== 0) throw new Error(result.stderr);
    };
    await git(work, 'init', '-q', '-b', 'main');
    writeFileSync(join(work, 'file.txt'), 'content\n');
    await git(work, 'add', 'file.txt');
    await git(work, 'commit', '-q', '-m', 'first');
    await git(postern.folder, 'clone', '-q', '--bare', work, join(gitRoot, 'repo.git'));
    await git(join(gitRoot, 'repo.git'), 'update-server-info');
    const settings = ['-c', `http.proxy=${postern.proxyUrl}`, '-c', `http.sslCAInfo=${postern.caPath}`];
    await git(postern.folder, ...settings, 'clone', '-q', `${url}/git/repo.git`, 'cloned');
    expect(statSync(join(postern.folder, 'cloned/file.txt')).size).toBe(8);
    expect(await postern.audited({ rule: 'git', status: 200 })).toMatchObject({ injected: ['token'] });
  });
});

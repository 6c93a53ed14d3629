import { spawnSync } from 'node:child_process';
import { chownSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { expectUnharmed } from '../support/attack.ts';
import { closeOpened, closeOpenedAtEnd, shared } from '../support/closing.ts';
import { type CommandResult, isInstalled, runCommand } from '../support/command.ts';
import { suiteFolder } from '../support/folder.ts';
import { canMakeNetworks, connectNetworks, makeNetwork, must, startIn } from '../support/network.ts';
import { startPostern } from '../support/postern.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';

closeOpened();
// Also where the scene could not be set up whole.
closeOpenedAtEnd();

const page = readFileSync(new URL('../../docs/deploy/transparent.md', import.meta.url), 'utf8');
const block = (kind: string, index = 0): string =>
  [...page.matchAll(new RegExp(`\`\`\`${kind}\n([\\s\\S]*?)\`\`\``, 'g'))][index]?.[1] ?? '';

const canRun = canMakeNetworks() && isInstalled('ip') && isInstalled('nft');
if (!canRun) console.warn('SKIPPED: redirected networks need root, network namespaces, iproute2 and nftables');

/** Where the origins are, as the proxy sees them. */
const INTERNET = '127.0.77.1';
/** A machine of the outside world, behind the host, that answers whoever reaches it. */
const WORLD = '198.51.100.2';

/** 401 without the injected credential; a line for each connection that is not HTTP. */
const ORIGINS = `
const { readFileSync } = require('node:fs');
const [cert, key] = ['cert.pem', 'key.pem'].map((name) => readFileSync(process.argv[2] + '/' + name));
const answer = (request, response) => {
  const right = request.headers.authorization === 'Bearer ${SECRET}';
  response.writeHead(right ? 200 : 401).end(right ? 'welcome\\n' : 'no credential\\n');
};
require('node:https').createServer({ cert, key }, answer).listen(443, '${INTERNET}', () => {
  require('node:http').createServer(answer).listen(80, '${INTERNET}', () => console.log('ready'));
});
`;
const REACHED = `
const tcp = (port, host) => new Promise((done) =>
  require('node:net').createServer((socket) => { socket.on('error', () => {}); socket.end('reached\\n'); }).listen(port, host, done));
const udp = (port) => new Promise((done) => {
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (bytes, peer) => socket.send('reached', peer.port, peer.address));
  socket.bind(port, done);
});
Promise.all([...process.argv.slice(2).map((port) => tcp(Number(port))), udp(443), udp(53), udp(4433)]).then(() => console.log('ready'));
`;
/** Says whether a place answers: "reached", or why not. */
const TRY = `
import socket, sys
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(4)
try:
    if len(sys.argv) > 4: s.bind((sys.argv[4], 0))
    s.connect((host, port))
    s.send(b"\\0" * 12)
    print(s.recv(100).decode("latin1").strip() or "closed")
except OSError as error:
    print(type(error).__name__)
`;

interface Guest {
  readonly postern: Awaited<ReturnType<typeof startPostern>>;
  readonly folder: string;
  readonly hasPostgres: boolean;
  readonly hasRedis: boolean;
  readonly run: (...command: readonly string[]) => Promise<CommandResult>;
  readonly tries: (...args: readonly string[]) => Promise<string>;
  /** What the same said before there were rules. */
  readonly reachedBefore: readonly string[];
}

const postgresFolder = globSync('/usr/lib/postgresql/*/bin/postgres').map(dirname).at(-1);

/** A database with TLS, as another user, since it refuses to be root's. */
async function startPostgres(network: string, folder: string): Promise<boolean> {
  if (postgresFolder === undefined || spawnSync('id', ['postgres']).status !== 0) return false;
  const data = join(folder, 'data');
  mkdirSync(data);
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(must(`id ${flag} postgres`)));
  chownSync(data, uid ?? 0, gid ?? 0);
  const as = `cd / && exec runuser -u postgres -- ${postgresFolder}`;
  must(`${as}/initdb --no-sync --auth=trust --encoding=UTF8 --no-locale -D ${data} >/dev/null`);
  for (const name of ['cert.pem', 'key.pem']) {
    must(`install -o postgres -m 0600 ${join(folder, name)} ${join(data, name)}`);
  }
  writeFileSync(join(data, 'pg_hba.conf'), 'hostssl all all 127.0.0.0/8 trust\n');
  const ssl = `-c ssl=on -c ssl_cert_file=cert.pem -c ssl_key_file=key.pem`;
  const where = `-c listen_addresses=${INTERNET} -c port=5432 -c unix_socket_directories=`;
  await startIn(network, ['sh', '-c', `${as}/postgres -D ${data} -c fsync=off ${ssl} ${where}`], /ready to accept/);
  return true;
}

async function startRedis(network: string, folder: string): Promise<boolean> {
  if (!isInstalled('redis-server')) return false;
  const tls = `--port 0 --tls-port 6379 --tls-auth-clients no --tls-cert-file ${folder}/cert.pem --tls-key-file ${folder}/key.pem`;
  const rest = `--tls-ca-cert-file ${folder}/ca.pem --bind ${INTERNET} --save "" --dir ${folder}`;
  await startIn(network, ['sh', '-c', `exec redis-server ${tls} ${rest}`], /Ready to accept connections/);
  return true;
}

const root = canRun ? suiteFolder() : '';

const scene = shared(
  async (): Promise<Guest> => {
    const base = loopback();
    const host = makeNetwork('host');
    const guest = makeNetwork('guest');
    const world = makeNetwork('world');
    connectNetworks(
      { network: host, device: 'tap42', address: '172.16.42.1/30' },
      { network: guest, device: 'eth0', address: '172.16.42.2/30' },
    );
    connectNetworks(
      { network: host, device: 'wan', address: '198.51.100.1/24' },
      { network: world, device: 'eth0', address: `${WORLD}/24` },
    );
    // As open as a host can be: what the rules do not close is open.
    must(`ip netns exec ${host} sysctl -qw net.ipv4.ip_forward=1`);
    must(`ip -n ${guest} route add default via 172.16.42.1 && ip -n ${world} route add default via 198.51.100.1`);
    // An address that is not the guest's, and that answers would come back to.
    must(`ip -n ${guest} addr add 172.16.42.9/32 dev eth0 && ip -n ${host} route add 172.16.42.9/32 dev tap42`);
    const folder = root;
    const pair = certificateFor('api.test', 'db.test', 'cache.test');
    const files = {
      'cert.pem': pair.cert,
      'key.pem': pair.key,
      'ca.pem': base.files?.['origin-ca.pem'] ?? '',
      'origins.cjs': ORIGINS,
      'reached.cjs': REACHED,
      'try.py': TRY,
      'resolv.conf': 'nameserver 172.16.42.1\n',
      'redirect.nft': block('nft'),
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o644 });
    await startIn(host, [process.execPath, join(folder, 'origins.cjs'), folder], /ready/);
    await startIn(host, [process.execPath, join(folder, 'reached.cjs'), '22', '9999'], /ready/);
    await startIn(world, [process.execPath, join(folder, 'reached.cjs'), '22', '443'], /ready/);
    const hasPostgres = await startPostgres(host, folder);
    const hasRedis = await startRedis(host, folder);
    const postern = await startPostern({
      network: host,
      policies: `version: 1
sandbox: { name: vm-42, match: [{ source: 172.16.42.2/32 }] }
introspect: true
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: api, hosts: [api.test], inject: [{ bearer: "\${token}" }] }
  - { name: plain, hosts: [plain.test], schemes: [http], inject: [{ bearer: "\${token}" }] }
  - { name: database, hosts: [db.test], ports: [5432], tls: passthrough }
  - { name: cache, hosts: [cache.test], ports: [6379], tls: passthrough }
`,
      files: base.files ?? {},
      settings: {
        listen: { proxy: ['127.0.0.1:0'], ...(parse(block('yaml')) as { listen: object }).listen },
        upstream: {
          trust: ['origin-ca.pem'],
          hosts: Object.fromEntries(['api', 'plain', 'db', 'cache'].map((name) => [`${name}.test`, [INTERNET]])),
          allow_addresses: ['127.0.0.0/8'],
        },
      },
    });
    writeFileSync(join(folder, 'postern.pem'), postern.ca, { mode: 0o644 });
    const run = (...command: readonly string[]) =>
      runCommand('ip', [
        'netns',
        'exec',
        guest,
        'unshare',
        '--mount',
        'sh',
        '-c',
        `mount --bind ${folder}/resolv.conf /etc/resolv.conf && exec "$@"`,
        'sh',
        ...command,
      ]);
    const tries = async (...args: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await run('python3', join(folder, 'try.py'), ...args);
      return (stdout + stderr).trim();
    };
    const reachedBefore = [
      await tries('tcp', WORLD, '22'),
      await tries('udp', WORLD, '443'),
      await tries('tcp', '172.16.42.1', '9999', '172.16.42.9'),
    ];
    must(`ip netns exec ${host} nft -f ${folder}/redirect.nft`);
    return { postern, folder, hasPostgres, hasRedis, run, tries, reachedBefore };
  },
  ({ postern }) => expectUnharmed(postern),
);

describe.skipIf(!canRun)('a guest whose connections are redirected', () => {
  it('reaches by curl what the policy allows, with the credential', async () => {
    const { run, folder, postern } = scene();
    const { stdout, stderr } = await run(
      'curl',
      '-sS',
      '--cacert',
      `${folder}/postern.pem`,
      'https://api.test/',
      'http://plain.test/',
    );
    expect(stdout + stderr).toBe('welcome\nwelcome\n');
    expect(await postern.audited({ rule: 'api' })).toMatchObject({
      sandbox: 'vm-42',
      ingress: 'transparent',
      port: 443,
    });
    expect(await postern.audited({ host: 'api.test', protocol: 'dns' })).toMatchObject({
      ingress: 'dns',
      sandbox: 'vm-42',
    });
  });

  it('is told by curl that an unknown host is none, and by an alert that it is denied', async () => {
    const { run } = scene();
    expect((await run('curl', '-sS', 'https://unknown.test/')).stderr).toMatch(/Could not resolve host: unknown\.test/);
    const dialled = await run('curl', '-sS', '--resolve', `unknown.test:443:${WORLD}`, 'https://unknown.test/');
    expect(dialled.stderr).toMatch(/alert access denied/);
    const plain = await run('curl', '-sS', '--resolve', `unknown.test:80:${WORLD}`, 'http://unknown.test/');
    expect(plain.stdout).toContain('"code":"HOST_DENIED"');
  });

  it('can set itself up', async () => {
    const { run, postern } = scene();
    expect((await run('curl', '-sS', 'http://postern.internal/ca.pem')).stdout).toBe(postern.ca);
  });

  it('reaches by openssl s_client the host that it names, wherever it dials', async (context) => {
    if (!isInstalled('openssl')) return context.skip('openssl is not installed');
    const { run, folder } = scene();
    const args = ['-connect', `${WORLD}:443`, '-CAfile', `${folder}/postern.pem`, '-verify_return_error'];
    const { stdout } = await run(
      'openssl',
      's_client',
      ...args,
      '-servername',
      'api.test',
      '-verify_hostname',
      'api.test',
    );
    expect(stdout).toContain('Verify return code: 0 (ok)');
    expect((await run('openssl', 's_client', ...args, '-noservername')).stderr).toMatch(/alert access denied/);
  });

  it('reaches its database by psql, and not without TLS', async (context) => {
    const { run, folder, hasPostgres, postern } = scene();
    if (!hasPostgres || !isInstalled('psql')) return context.skip('PostgreSQL is not installed');
    const psql = (mode: string) =>
      run(
        'psql',
        '-X',
        '-A',
        '-t',
        '-c',
        'select 6 * 7',
        `host=db.test user=postgres dbname=postgres sslmode=${mode} sslrootcert=${folder}/ca.pem`,
      );
    expect(await psql('verify-full')).toMatchObject({ stdout: '42\n' });
    const line = await postern.audited({ rule: 'database', code: null, protocol: 'tunnel' });
    expect(line).toMatchObject({ host: 'db.test', port: 5432, decision: 'allow' });
    expect((await psql('disable')).stderr).toMatch(/PROTOCOL_DENIED.*sslmode=require/);
    const other = await run(
      'psql',
      '-X',
      '-c',
      'select 1',
      'host=api.test hostaddr=172.16.42.1 user=postgres sslmode=require',
    );
    expect(other.stderr).toMatch(/alert access denied/);
  });

  it('reaches its Redis over TLS', async (context) => {
    const { run, folder, hasRedis } = scene();
    if (!hasRedis) return context.skip('Redis is not installed');
    const args = ['--tls', '--cacert', `${folder}/ca.pem`, '--sni', 'cache.test', '-h', 'cache.test'];
    expect((await run('redis-cli', ...args, 'set', 'a', '1')).stdout).toBe('OK\n');
    expect((await run('redis-cli', ...args, 'get', 'a')).stdout).toBe('1\n');
    expect((await run('redis-cli', '-h', 'cache.test', 'ping')).stderr).toMatch(/closed|reset/i);
  });

  it('is told names by its C library', async () => {
    const { run } = scene();
    const lookUp = (name: string) =>
      run('python3', '-c', `import socket; print({a[4][0] for a in socket.getaddrinfo("${name}", 443)})`);
    expect((await lookUp('api.test')).stdout).toBe("{'172.16.42.1'}\n");
    expect((await lookUp('unknown.test')).stderr).toContain('gaierror');
  });

  it('was open before there were rules, so that these tests see what they close', () => {
    expect(scene().reachedBefore).toEqual(['reached', 'reached', 'reached']);
  });

  it.each([
    ['another port of the world', ['tcp', WORLD, '22']],
    ['UDP 443 of the world', ['udp', WORLD, '443']],
    ['another UDP port of the world', ['udp', WORLD, '4433']],
    ['another port of the host', ['tcp', '172.16.42.1', '9999']],
    ['another address of the host', ['tcp', '198.51.100.1', '22']],
    ['metadata', ['tcp', '169.254.169.254', '8000']],
  ])('gets nowhere at %s', async (_where, args) => {
    expect(await scene().tries(...args)).toMatch(/^(\w*Error|timeout|TimeoutError)$/);
  });

  it.each([
    ['raw bytes to port 443 of the world', ['tcp', WORLD, '443']],
    ['raw bytes to port 80 of metadata', ['tcp', '169.254.169.254', '80']],
  ])('has %s closed by the proxy', async (_what, args) => {
    expect(await scene().tries(...args)).toMatch(/^(closed|ConnectionResetError)$/);
  });

  it('asks the proxy whatever resolver it asks', async () => {
    const { run } = scene();
    if (!isInstalled('dig')) return;
    const dig = (...args: readonly string[]) => run('dig', '+short', '+tries=1', '+timeout=3', `@${WORLD}`, ...args);
    expect((await dig('api.test')).stdout).toBe('172.16.42.1\n');
    expect((await dig('+tcp', 'api.test')).stdout).toBe('172.16.42.1\n');
    expect((await dig('unknown.test')).stdout).toBe('');
  });

  it('is nobody with another address', async () => {
    expect(await scene().tries('tcp', WORLD, '443', '172.16.42.9')).toMatch(/Error$/);
  });
});

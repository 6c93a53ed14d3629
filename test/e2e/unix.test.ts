import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { connectTo, expectUnharmed, getFrom, getInside, OK, refusalOn } from '../support/attack.ts';
import { closeOpened } from '../support/closing.ts';
import { isInstalled, runCommand } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';
import { answering, type Origin, startOrigin } from '../support/origin.ts';
import { launchPostern, type Postern, type PosternOptions, startPostern } from '../support/postern.ts';
import { connectUnix } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';
import { byName, openedBy } from '../support/socks.ts';

closeOpened();

const rules = (origin: Origin): string => `secrets: { token: { file: ../secret.txt } }
rules:
  - name: all
    hosts: [plain.test, origin.test]
    schemes: [http, https]
    ports: [${origin.port}]
    inject: [{ bearer: "\${token}" }]
`;

/** A policy of a sandbox that a socket tells. */
const policy = (name: string, path: string, origin: Origin): string =>
  `version: 1\nsandbox: { name: ${name}, match: [{ listener: "unix:${path}" }] }\n${rules(origin)}`;

const start = (policies: PosternOptions['policies'], proxy: readonly string[] = []): Promise<Postern> => {
  const base = loopback();
  const settings = { ...base.settings, listen: { proxy: ['127.0.0.1:0', ...proxy] } };
  return startPostern({ ...base, policies, settings });
};

const startPlainOrigin = (): Promise<Origin> => startOrigin({ onConnection: answering(OK) });

interface Status {
  readonly listeners: { readonly proxy: readonly string[]; readonly failed: readonly { readonly reason: string }[] };
}

// What the admin API answers is documented; what is read of it is checked by each test.
const statusOf = async (postern: Postern): Promise<Status> =>
  (await (await fetch(`${postern.adminUrl}/v1/status`)).json()) as Status;

describe('a unix: listener of postern.yaml', () => {
  it('takes plain HTTP, CONNECT and SOCKS5, and is the ingress unix without a client address', async () => {
    const origin = await startPlainOrigin();
    const path = join(temporaryFolder(), 'p.sock');
    const postern = await start(`version: 1\n${rules(origin)}`, [`unix:${path}`]);
    const authority = `plain.test:${origin.port}`;
    const plain = await connectUnix(path);
    plain.send(getFrom(authority, '/plain'));
    await plain.take(/ok$/);
    const tunnel = await connectUnix(path);
    tunnel.send(connectTo(authority));
    await tunnel.take(/^HTTP\/1\.1 200 OK\r\n\r\n$/);
    tunnel.send(getInside(authority, '/tunnel'));
    await tunnel.take(/ok$/);
    const socks = await openedBy(await connectUnix(path), byName('plain.test', origin.port));
    socks.send(getInside(authority, '/socks'));
    await socks.take(/ok$/);
    for (const [asked, ingress] of [
      ['/plain', 'unix'],
      ['/tunnel', 'unix'],
      ['/socks', 'socks'],
    ] as const) {
      const line = await postern.audited({ path: asked });
      expect(line).toMatchObject({
        ingress,
        client: '',
        listener: `unix:${path}`,
        injected: ['token'],
        sandbox: 'default',
      });
    }
    expect((await statusOf(postern)).listeners.proxy).toContain(`unix:${path}`);
    expectUnharmed(postern);
  });

  it('serves curl, which speaks SOCKS5 to it', async (context) => {
    if (!isInstalled('curl')) return context.skip('curl is not installed');
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const path = join(temporaryFolder(), 'p.sock');
    const postern = await start(`version: 1\n${rules(origin)}`, [`unix:${path}`]);
    const args = ['-sS', '--cacert', postern.caPath, '--proxy', `socks5h://localhost${path}`];
    const { stdout, stderr } = await runCommand('curl', [...args, `https://origin.test:${origin.port}/`]);
    expect(stdout + stderr).toBe('ok');
    expect(origin.connections[0]?.received).toContain(SECRET);
  });

  it('is for the user and the group of the process, and removed at its end', async () => {
    const path = join(temporaryFolder(), 'p.sock');
    const postern = await start('version: 1\nrules: []\n', [`unix:${path}`]);
    expect(statSync(path).mode & 0o777).toBe((process.umask() & 0o070) === 0o070 ? 0o600 : 0o660);
    expect(await postern.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it('takes the place of what a killed process left, and of nothing else', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'p.sock');
    const origin = await startPlainOrigin();
    const policies = `version: 1\n${rules(origin)}`;
    const killed = await start(policies, [`unix:${path}`]);
    const ended = new Promise((resolve) => killed.child.once('close', resolve));
    killed.child.kill('SIGKILL');
    await ended;
    expect(existsSync(path)).toBe(true);
    const alive = await start(policies, [`unix:${path}`]);
    const file = join(folder, 'file');
    writeFileSync(file, 'precious');
    for (const [taken, why] of [
      [path, 'somebody listens there already'],
      [file, 'a file that is no socket is there'],
      [join(folder, 'none', 'p.sock'), 'its folder is not there'],
    ] as const) {
      const base = loopback();
      const settings = { ...base.settings, listen: { proxy: [`unix:${taken}`] } };
      const refused = launchPostern({ ...base, policies, settings });
      await refused.until(() => (refused.exitCode === null ? undefined : refused.exitCode)).catch(() => {});
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain(`listen.proxy: cannot listen on unix:${taken}: ${why}`);
    }
    expect(statSync(file).size).toBe(8);
    const client = await connectUnix(path);
    client.send(getFrom(`plain.test:${origin.port}`));
    await client.take(/ok$/);
    expectUnharmed(alive);
  });
});

describe('a unix: listener of a policy', () => {
  it('is who the client is', async () => {
    const origin = await startPlainOrigin();
    const folder = temporaryFolder();
    const [one, two] = [join(folder, 'v.sock_8080'), join(folder, 'w.sock_8080')];
    const deny = `version: 1\nsandbox: { name: two, match: [{ listener: "unix:${two}" }] }\nrules: []\n`;
    const postern = await start({ 'one.yaml': policy('one', one, origin), 'two.yaml': deny });
    const client = await connectUnix(one);
    client.send(getFrom(`plain.test:${origin.port}`));
    await client.take(/ok$/);
    const other = await connectUnix(two);
    other.send(getFrom(`plain.test:${origin.port}`));
    expect(await refusalOn(other)).toBe('403 HOST_DENIED');
    await postern.audited({ sandbox: 'one', ingress: 'unix', client: '', listener: `unix:${one}`, status: 200 });
    await postern.audited({ sandbox: 'two', ingress: 'unix', client: '', listener: `unix:${two}`, status: 403 });
    expect((await statusOf(postern)).listeners.proxy.slice(1)).toEqual([`unix:${one}`, `unix:${two}`]);
    await postern.stop();
    expect([existsSync(one), existsSync(two)]).toEqual([false, false]);
  });

  it('is opened and removed with its policy while the proxy runs, and what is open is denied then', async () => {
    const origin = await startPlainOrigin();
    const folder = temporaryFolder();
    const [one, two] = [join(folder, 'one.sock'), join(folder, 'two.sock')];
    const postern = await start({ 'one.yaml': policy('one', one, origin) });
    const authority = `plain.test:${origin.port}`;
    expect(existsSync(two)).toBe(false);
    postern.write('policies/two.yaml', policy('two', two, origin));
    await postern.logged(/"listener":"unix:[^"]*two\.sock","msg":"listening"/);
    const client = await connectUnix(two);
    client.send(getFrom(authority, '/before'));
    await client.take(/ok$/);
    await postern.audited({ path: '/before', sandbox: 'two' });
    rmSync(join(postern.folder, 'policies/two.yaml'));
    await postern.logged(/"listener":"unix:[^"]*two\.sock","msg":"no longer listening"/);
    expect(existsSync(two)).toBe(false);
    client.send(getFrom(authority, '/after'));
    expect(await refusalOn(client)).toBe('503 POLICY_UNAVAILABLE');
    // One that a broken edit leaves in force keeps its socket.
    postern.write('policies/one.yaml', 'version: 1\nrules: [');
    await postern.logged(/one\.yaml[\s\S]*/);
    const still = await connectUnix(one);
    still.send(getFrom(authority));
    await still.take(/ok$/);
    // And once more, at another path.
    postern.write('policies/one.yaml', policy('one', two, origin));
    await postern.logged(/"listener":"unix:[^"]*one\.sock","msg":"no longer listening"/);
    expect((await statusOf(postern)).listeners.proxy.slice(1)).toEqual([`unix:${two}`]);
    expectUnharmed(postern);
  });

  it('that cannot be opened keeps nobody else out, is told once, and is opened when it can be', async () => {
    const origin = await startPlainOrigin();
    const folder = temporaryFolder();
    const later = join(folder, 'vm', 'v.sock');
    const here = join(folder, 'v.sock');
    const postern = await start({ 'a.yaml': policy('a', later, origin), 'b.yaml': policy('b', here, origin) });
    const reason = 'its folder is not there; make it';
    expect((await statusOf(postern)).listeners).toMatchObject({ failed: [{ listener: `unix:${later}`, reason }] });
    const client = await connectUnix(here);
    client.send(getFrom(`plain.test:${origin.port}`));
    await client.take(/ok$/);
    mkdirSync(join(folder, 'vm'));
    await postern.logged(/"listener":"unix:[^"]*vm\/v\.sock","msg":"listening"/);
    expect((await statusOf(postern)).listeners.failed).toEqual([]);
    await (await connectUnix(later)).end();
    expect(postern.log.filter(({ msg }) => msg === 'cannot listen')).toHaveLength(1);
  });

  it('is made again where its folder was made anew, and what was open goes on', async () => {
    const origin = await startPlainOrigin();
    const folder = join(temporaryFolder(), 'vm');
    mkdirSync(folder);
    const path = join(folder, 'v.sock');
    const postern = await start({ 'a.yaml': policy('a', path, origin) });
    const before = await connectUnix(path);
    before.send(getFrom(`plain.test:${origin.port}`));
    await before.take(/ok$/);
    rmSync(folder, { recursive: true });
    await postern.logged(/"msg":"the socket was removed, and is made again"/);
    mkdirSync(folder);
    await postern.logged(/made again"[\s\S]*"listener":"unix:[^"]*v\.sock","msg":"listening"/);
    for (const client of [before, await connectUnix(path)]) {
      client.send(getFrom(`plain.test:${origin.port}`));
      await client.take(/ok$/);
    }
    expectUnharmed(postern);
  });

  it('is not opened any more while the proxy drains', async () => {
    const origin = await startPlainOrigin();
    const folder = temporaryFolder();
    const [one, two] = [join(folder, 'one.sock'), join(folder, 'two.sock')];
    const postern = await start({ 'one.yaml': policy('one', one, origin) });
    const client = await connectUnix(one);
    client.send(`${connectTo(`plain.test:${origin.port}`)}GET / HTTP/1.1\r\n`);
    await client.until(/200 OK/);
    // The head that is not whole holds the connection, and with it the end.
    const stopped = postern.stop();
    await expect.poll(() => existsSync(one)).toBe(false);
    postern.write('policies/two.yaml', policy('two', two, origin));
    const answer = await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    expect(await answer.json()).toMatchObject({ generation: 2 });
    expect([existsSync(one), existsSync(two)]).toEqual([false, false]);
    client.socket.destroy();
    expect(await stopped).toBe(0);
  });

  it('is never that of the admin API', async () => {
    const origin = await startPlainOrigin();
    const path = join(temporaryFolder(), 'admin.sock');
    const base = loopback();
    const settings = { ...base.settings, admin: { listen: ['127.0.0.1:0', `unix:${path}`] } };
    const postern = await startPostern({ ...base, settings, policies: { 'a.yaml': policy('a', path, origin) } });
    await postern.logged(/"msg":"cannot listen"/);
    const client = await connectUnix(path);
    client.send('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.take(/^HTTP\/1\.1 200 OK\r\n/);
  });
});

import { existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AUDIT_SCHEMA } from '../../src/observe/audit-schema.ts';
import { closeOpened } from '../support/closing.ts';
import { answering } from '../support/origin.ts';
import type { AuditLine, Postern } from '../support/postern.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { type Scene, type SceneOptions, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const scene = (options: SceneOptions = {}): Promise<Scene> =>
  startScene({ origin: { onConnection: answering(OK) }, ...options });

async function ask(client: RawClient, { authority }: Scene, path: string): Promise<void> {
  client.send(`GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  await client.take(/ok$/);
}

function linesOf(postern: Postern, name: string): readonly AuditLine[] {
  const path = join(postern.folder, name);
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

const paths = (postern: Postern, name: string): unknown[] => linesOf(postern, name).map(({ path }) => path);

describe('the audit', () => {
  it('has one line with all its fields for each request, tunnel and refused connection', async () => {
    const here = await scene();
    const { postern } = here;
    const client = await here.tunnel();
    await ask(client, here, '/one?query=never');
    client.end();
    const refused = await connectRaw(postern.proxyPort);
    refused.send('CONNECT denied.example:443 HTTP/1.1\r\nHost: denied.example:443\r\n\r\n');
    await refused.until(/403/);
    const garbage = await connectRaw(postern.proxyPort);
    garbage.send('\x16\x03\x01nonsense\r\n\r\n');
    await garbage.untilEnded();
    const lines = await postern.until(() => (postern.audit.length >= 3 ? postern.audit : undefined));
    for (const line of lines) expect(Object.keys(line)).toEqual(AUDIT_SCHEMA.required);
    expect(lines.map(({ path, code }) => [path, code])).toEqual(
      expect.arrayContaining([
        ['/one', null],
        [null, 'HOST_DENIED'],
      ]),
    );
    expect(postern.stdout).not.toContain('never');
  });

  it('goes on in a new file after SIGUSR2, and by itself when the file was moved away', async () => {
    const here = await scene({ settings: { log: { audit: 'audit.jsonl' } } });
    const { postern } = here;
    const client = await here.tunnel();
    await ask(client, here, '/1');
    await expect.poll(() => paths(postern, 'audit.jsonl')).toEqual(['/1']);
    renameSync(join(postern.folder, 'audit.jsonl'), join(postern.folder, 'audit.1'));
    postern.child.kill('SIGUSR2');
    await expect.poll(() => existsSync(join(postern.folder, 'audit.jsonl'))).toBe(true);
    await ask(client, here, '/2');
    await expect.poll(() => paths(postern, 'audit.jsonl')).toEqual(['/2']);
    expect(paths(postern, 'audit.1')).toEqual(['/1']);
    renameSync(join(postern.folder, 'audit.jsonl'), join(postern.folder, 'audit.2'));
    let count = 3;
    const askAndCount = async (): Promise<number> => {
      await ask(client, here, `/${count++}`);
      return paths(postern, 'audit.jsonl').length;
    };
    await expect.poll(askAndCount, { interval: 100, timeout: 10_000 }).toBeGreaterThan(0);
    expect([...paths(postern, 'audit.1'), ...paths(postern, 'audit.2'), ...paths(postern, 'audit.jsonl')]).toEqual(
      Array.from(
        { length: paths(postern, 'audit.2').length + paths(postern, 'audit.jsonl').length + 1 },
        (_, at) => `/${at + 1}`,
      ),
    );
  });

  it('on a full disk loses nothing for a while, says so, and traffic goes on', async () => {
    const here = await scene({ settings: { log: { audit: 'link/audit.jsonl' } }, files: { 'link/keep': '' } });
    const { postern } = here;
    const file = join(postern.folder, 'link/audit.jsonl');
    rmSync(file, { force: true });
    symlinkSync('/dev/full', file);
    postern.child.kill('SIGUSR2');
    const client = await here.tunnel();
    await ask(client, here, '/1');
    await postern.logged(/"code":"ENOSPC"[^\n]*audit lines cannot be written/);
    await ask(client, here, '/2');
    const text = await (await fetch(`${postern.adminUrl}/metrics`)).text();
    expect(text).toContain('\npostern_audit_dropped_total 0\n');
    rmSync(file);
    postern.child.kill('SIGUSR2');
    await postern.logged(/audit lines are written again/);
    await expect.poll(() => paths(postern, 'link/audit.jsonl')).toEqual(['/1', '/2']);
  });

  it('that is required and cannot be written refuses traffic with 503 OVERLOADED, and takes it again', async () => {
    const here = await scene({ settings: { log: { audit: 'audit.jsonl', audit_required: true } } });
    const { postern } = here;
    const file = join(postern.folder, 'audit.jsonl');
    const client = await here.tunnel();
    await ask(client, here, '/1');
    rmSync(file, { force: true });
    symlinkSync('/dev/full', file);
    postern.child.kill('SIGUSR2');
    await ask(client, here, '/2').catch(() => {});
    await postern.logged(/audit lines cannot be written/);
    const refused = await connectRaw(postern.proxyPort);
    refused.send(`CONNECT ${here.authority} HTTP/1.1\r\nHost: ${here.authority}\r\n\r\n`);
    expect((await refused.untilEnded()).split('\r\n')[0]).toMatch(/^HTTP\/1.1 503 [^\n]*OVERLOADED/);
    rmSync(file);
    postern.child.kill('SIGUSR2');
    await postern.logged(/audit lines are written again/);
    await ask(await here.tunnel(), here, '/3');
  });

  it('outlives the reader of its stdout', async () => {
    const here = await scene();
    const { postern } = here;
    const client = await here.tunnel();
    postern.child.stdout?.destroy();
    await ask(client, here, '/1');
    await postern.logged(/"code":"EPIPE"[^\n]*audit lines cannot be written/);
    await ask(client, here, '/2');
    const text = await (await fetch(`${postern.adminUrl}/metrics`)).text();
    expect(text).toMatch(/\npostern_audit_dropped_total [1-9]/);
  });

  it('does not keep the process from stopping when nobody reads its stdout', async () => {
    const here = await scene({ limits: { drain: '1s' } });
    const { postern } = here;
    postern.child.stdout?.pause();
    const client = await here.tunnel();
    const long = `/${'x'.repeat(1_000)}`;
    // More than pipes and buffers of the system hold.
    for (let count = 0; count < 600; count++) await ask(client, here, long);
    client.end();
    postern.child.kill('SIGTERM');
    expect(await new Promise((resolve) => postern.child.once('exit', resolve))).toBe(0);
  });
});

describe('signals', () => {
  it('SIGUSR1 opens no inspector and ends nothing', async () => {
    const here = await scene();
    const { postern } = here;
    postern.child.kill('SIGUSR1');
    postern.child.kill('SIGHUP');
    const client = await here.tunnel();
    await ask(client, here, '/1');
    await expect(fetch('http://127.0.0.1:9229/json')).rejects.toThrow();
    expect(postern.stderr).not.toContain('Debugger listening');
  });
});

import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { isInstalled } from '../support/command.ts';
import { suiteFolder } from '../support/folder.ts';
import { metric } from '../support/observed.ts';
import type { AuditLine } from '../support/postern.ts';
import { connectRaw, connectTunnel, type RawClient } from '../support/raw-client.ts';
import { type Scene, SECRET, startScene } from '../support/scene.ts';

closeOpened();

const DAY_S = 86_400;
const hasCompiler = isInstalled('gcc');
if (!hasCompiler) console.warn('SKIPPED: a stepped clock needs gcc, which is not installed');

/** A scene whose proxy has a wall clock of its own, and how to step it. */
async function steppedScene(): Promise<{ readonly scene: Scene; step(seconds: number): void }> {
  const file = join(folder, `offset-${++count}`);
  writeFileSync(file, Buffer.alloc(8));
  const env = { LD_PRELOAD: join(folder, 'clock.so'), CLOCK_OFFSET_FILE: file };
  const scene = await startScene({ env, limits: { client_head: '5s', idle: '5s', response_head: '5s' } });
  const step = (seconds: number): void => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    // In place: the file is mapped.
    const fd = openSync(file, 'r+');
    writeSync(fd, bytes, 0, 8, 0);
    closeSync(fd);
  };
  return { scene, step };
}

let folder: string;
let count = 0;

describe.skipIf(!hasCompiler)('a wall clock that is stepped while the proxy runs', () => {
  folder = suiteFolder();

  beforeAll(() => {
    const source = fileURLToPath(new URL('../support/clock-shim.c', import.meta.url));
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', join(folder, 'clock.so'), source, '-ldl']);
  });

  it.each([
    ['forward', DAY_S],
    ['back', -DAY_S],
  ])('by a day %s changes no duration, limit, connection or secret', async (_name, seconds) => {
    const { scene, step } = await steppedScene();
    const { postern, origin, authority, tunnel } = scene;
    const client = await tunnel();
    const slow = await connectRaw(postern.proxyPort);
    slow.send('GET http://plain.test/ HTTP/1.1\r\n');
    const answered = ask(scene, client, '/1');
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    step(seconds);
    connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await answered;
    const second = ask(scene, client, '/2');
    await connection.until(/GET \/2 [\s\S]*\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await second;
    // The head that was begun before the step has all of its time.
    slow.send('Host: plain.test\r\n\r\n');
    await slow.until(/^HTTP\/1\.1 403 HOST_DENIED\r\n/);
    expect(connection.received.match(new RegExp(`Authorization: Bearer ${SECRET}\r\n`, 'g'))).toHaveLength(2);
    expect(origin.connections).toHaveLength(1);
    const lines = [await postern.audited({ path: '/1' }), await postern.audited({ path: '/2' })];
    for (const line of lines) {
      expect(line.duration_ms).toBeGreaterThanOrEqual(0);
      expect(line.duration_ms).toBeLessThan(3_000);
      expect(secondsFromNow(line) - seconds).toBeCloseTo(0, -1);
    }
    expect(await metric(postern, 'postern_secret_age_seconds{secret="token"}')).toBeLessThan(60);
    await connectTunnel(postern.proxyPort, authority);
  });

  it('gives clients leaves that are valid by the clock, before and after it is set right', async () => {
    const { scene, step } = await steppedScene();
    step(DAY_S);
    const ahead = await leafOf(scene);
    expect(ahead.validFromMs - Date.now()).toBeGreaterThan((DAY_S - 2 * 3_600) * 1_000);
    expect(ahead.validFromMs - Date.now()).toBeLessThan(DAY_S * 1_000);
    step(0);
    const right = await leafOf(scene);
    expect(right.validFromMs).toBeLessThan(Date.now());
    expect(right.validToMs).toBeGreaterThan(Date.now());
    // Verified by our own clock, which was right all the time.
    await scene.tunnel();
  });
});

async function ask({ authority }: Scene, client: RawClient, path: string): Promise<void> {
  client.send(`GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  await client.take(/ok$/);
}

const secondsFromNow = ({ time }: AuditLine): number => (Date.parse(String(time)) - Date.now()) / 1_000;

/** When the leaf of the origin is valid, whatever one's own clock makes of it. */
async function leafOf({
  postern,
  authority,
}: Scene): Promise<{ readonly validFromMs: number; readonly validToMs: number }> {
  const client = await connectTunnel(postern.proxyPort, authority);
  // Its dates are what is asked about, so they cannot decide whether it is looked at; its issuer is verified below.
  await client.secure({ servername: 'origin.test', rejectUnauthorized: false });
  const leaf = (client.socket as TLSSocket).getPeerX509Certificate();
  expect(leaf?.verify(new X509Certificate(postern.ca).publicKey)).toBe(true);
  client.socket.destroy();
  return { validFromMs: leaf?.validFromDate.getTime() ?? 0, validToMs: leaf?.validToDate.getTime() ?? 0 };
}

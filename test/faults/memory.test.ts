import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { sendUntilHeld } from '../support/faulty-client.ts';
import { listening } from '../support/listening.ts';
import { metricBecomes, residentBytes, residentBytesMax } from '../support/observed.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { loopback, startScene } from '../support/scene.ts';

closeOpened();

const MIB = 1024 * 1024;

describe('answers that a client does not take', () => {
  const request = 'GET http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\n\r\n';
  const block = request.repeat(1_000);

  const start = (): Promise<Postern> =>
    startPostern({ policies: 'version: 1\nrules: []\n', ...loopback({ idle: '1s' }) });

  it('hold back the requests that follow, so that they do not pile up', async () => {
    const postern = await start();
    const client = await connectRaw(postern.proxyPort);
    client.socket.pause();
    const before = residentBytes(postern);
    expect(await sendUntilHeld(client, block, 1_000)).toBeLessThan(300);
    expect(residentBytes(postern) - before).toBeLessThan(80 * MIB);
  });

  it('hold them back inside TLS too', async () => {
    const { postern, authority, tunnel } = await startScene({ rule: 'paths: [/allowed]' });
    const client = await tunnel();
    client.socket.pause();
    const before = residentBytes(postern);
    const denied = `GET /denied HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    expect(await sendUntilHeld(client, denied.repeat(1_000), 1_000)).toBeLessThan(300);
    expect(residentBytes(postern) - before).toBeLessThan(80 * MIB);
  });

  it('are followed by all others once it reads on', async () => {
    const postern = await start();
    const client = await connectRaw(postern.proxyPort);
    client.socket.pause();
    const blocks = 6;
    for (let count = 0; count < blocks; count++) client.send(block);
    await postern.until(() => (postern.audit.length > 1_000 ? true : undefined));
    client.socket.resume();
    await postern.until(() => (postern.audit.length === blocks * 1_000 ? true : undefined));
    for (let count = 0; count < blocks * 1_000; count++) await client.take(/^HTTP\/1\.1 403 [^}]*\}\}\n/);
  });

  it('close the connection when nothing of them moved for the idle time', async () => {
    const postern = await start();
    const client = await connectRaw(postern.proxyPort);
    client.socket.pause();
    expect(await sendUntilHeld(client, block, 300)).toBeLessThan(300);
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
  });
});

/** An origin that answers every connection with so many bytes, as fast as they are taken. `taken` counts what has left it. */
async function startSource(bytes: number): Promise<{ readonly port: number; taken(): number }> {
  const sockets: Socket[] = [];
  const block = Buffer.alloc(256 * 1024, 'x');
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
      let left = bytes;
      const more = (): void => {
        for (let full = false; left > 0 && !full; left -= block.length) full = !socket.write(block);
      };
      socket.on('drain', more);
      more();
    });
  });
  const port = await listening(server);
  const leftBy = (socket: Socket): number => socket.bytesWritten - socket.writableLength;
  return { port, taken: () => sockets.reduce((sum, socket) => sum + leftBy(socket), 0) };
}

/** Asks for `/` and does not read. */
function askWithoutReading(postern: Postern, authority: string): Socket {
  const socket = closeAfterTest(connect({ port: postern.proxyPort, host: '127.0.0.1' }), (open) => open.destroy());
  socket.on('error', () => {});
  socket.pause();
  socket.write(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  return socket;
}

/** Waits until a number has been the same for half a second. */
async function settled(read: () => number): Promise<number> {
  for (let before = Number.NaN; ; ) {
    const now = read();
    if (now === before && now > 0) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const allowing = (port: number): string =>
  `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${port}] }\n`;

describe('a slow reader of an answer of 1 GiB', () => {
  it('stops the origin, is not run ahead of in memory, and gets every byte once it reads', async () => {
    const source = await startSource(1024 * MIB);
    const postern = await startPostern({ policies: allowing(source.port), ...loopback() });
    const before = residentBytes(postern);
    const client = askWithoutReading(postern, `plain.test:${source.port}`);
    // What the kernel buffers on the way, on both sides.
    expect(await settled(source.taken)).toBeLessThan(32 * MIB);
    expect(residentBytes(postern) - before).toBeLessThan(48 * MIB);
    let received = 0;
    client.on('data', (bytes: Buffer) => {
      received += bytes.length;
      if (received > 1024 * MIB) client.end();
    });
    client.resume();
    expect(await postern.audited({ host: 'plain.test' })).toMatchObject({ code: null, bytes_in: 1024 * MIB });
    await expect.poll(() => received).toBeGreaterThan(1024 * MIB);
    expect(residentBytesMax(postern) - before).toBeLessThan(96 * MIB);
  }, 30_000);
});

describe('a heap that is nearly full', () => {
  it('does not end the process: what clients make it hold lies within their limits', async () => {
    const source = await startSource(64 * MIB);
    const postern = await startPostern({
      policies: allowing(source.port),
      ...loopback({ client_head: '2s', idle: '2s' }),
      // Of which some 12 MiB are taken from the start.
      env: { NODE_OPTIONS: '--max-old-space-size=24' },
    });
    const authority = `plain.test:${source.port}`;
    const readers = Array.from({ length: 40 }, () => askWithoutReading(postern, authority));
    const heads = await Promise.all(Array.from({ length: 200 }, () => connectRaw(postern.proxyPort)));
    for (const [index, head] of heads.entries()) {
      const lines = Array.from({ length: 190 }, (_, line) => `X-Name-${index}-${line}: ${'v'.repeat(300)}\r\n`).join(
        '',
      );
      // Half of them end, and are refused; the others never do.
      head.send(
        `GET http://denied-${index}.test/ HTTP/1.1\r\nHost: denied-${index}.test\r\n${lines}${index % 2 === 0 ? '\r\n' : ''}`,
      );
    }
    await Promise.all(
      heads.map((head, index) => head.until(index % 2 === 0 ? /^HTTP\/1\.1 403 / : /^HTTP\/1\.1 408 /)),
    );
    expect(postern.exitCode).toBeNull();
    expect(residentBytesMax(postern)).toBeLessThan(320 * MIB);
    for (const socket of readers) socket.destroy();
    for (const { socket } of heads) socket.destroy();
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
    await metricBecomes(postern, 'postern_connections{side="upstream"}', 0);
  });
});

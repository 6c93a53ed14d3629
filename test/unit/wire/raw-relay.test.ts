import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { relayRaw } from '../../../src/wire/raw-relay.ts';
import { Wire } from '../../../src/wire/wire.ts';
import { closeAfterTest, closeOpened } from '../../support/closing.ts';

closeOpened();

/** Both ends of one TCP connection. */
async function pair(): Promise<readonly [near: Socket, far: Socket]> {
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  const near = await accepted;
  server.close();
  for (const socket of [near, far]) closeAfterTest(socket, () => socket.destroy()).on('error', () => {});
  return [near, far];
}

describe('a raw relay', () => {
  it('gives the side that is left a time limit, since its reader may never take the last bytes', async () => {
    const [clientNear, clientFar] = await pair();
    const [upstreamNear, upstreamFar] = await pair();
    const client = new Wire(clientNear);
    const upstream = new Wire(upstreamNear);
    upstreamFar.pause();
    const ignore = (): void => {};
    const over = relayRaw(client, upstream, { idleMs: 3_600_000, onBytesOut: ignore, onBytesIn: ignore });
    // Until the kernel holds no more for a reader that does not read, and no further: a full inbox would hide the client's end.
    while (upstreamNear.writableLength === 0) {
      clientFar.write(Buffer.alloc(16 * 1024));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    clientFar.resetAndDestroy();
    while (!client.gone) await new Promise((resolve) => setImmediate(resolve));
    expect(upstream.gone).toBe(false);
    expect(upstream.dueMs - performance.now()).toBeLessThan(60_000);
    upstream.onDue();
    expect(await over).toBe('idle');
  });

  it('passes the end of each side on while the other goes on, and is over when both are closed', async () => {
    const [clientNear, clientFar] = await pair();
    const [upstreamNear, upstreamFar] = await pair();
    let out = 0;
    let back = 0;
    const over = relayRaw(new Wire(clientNear), new Wire(upstreamNear), {
      idleMs: 60_000,
      onBytesOut: (count) => {
        out += count;
      },
      onBytesIn: (count) => {
        back += count;
      },
    });
    clientFar.end('question');
    const asked = await textOf(upstreamFar);
    upstreamFar.end('answer');
    const answered = await textOf(clientFar);
    expect([asked, answered, await over, out, back]).toEqual(['question', 'answer', 'closed', 8, 6]);
  });
});

function textOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString();
  });
  return new Promise((resolve) => socket.once('end', () => resolve(text)));
}

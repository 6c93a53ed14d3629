import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { closeAfterTest } from './closing.ts';
import { type Manner, trickle } from './faulty-origin.ts';
import type { Postern } from './postern.ts';
import { connectRaw, connectTunnel, type RawClient } from './raw-client.ts';

/** A client that goes along up to a point and then fails. */
export interface FaultyClient {
  readonly client: RawClient;
  /** The TCP socket, under TLS if there is any. */
  readonly raw: Socket;
}

/** Fails: `close` ends its own side in order and goes on reading; `cut` closes without a word and reads no more. */
export function failClient({ client, raw }: FaultyClient, manner: Manner, trickled: readonly string[] = []): void {
  if (manner === 'reset') raw.resetAndDestroy();
  else if (manner === 'close') client.socket.end();
  else if (manner === 'cut') raw.destroy();
  else if (manner === 'trickle') trickle(client.socket, trickled);
}

export async function connected(postern: Postern): Promise<FaultyClient> {
  const client = await connectRaw(postern.proxyPort);
  return { client, raw: client.socket };
}

export async function inTunnel(postern: Postern, authority: string): Promise<FaultyClient> {
  const client = await connectTunnel(postern.proxyPort, authority);
  return { client, raw: client.socket };
}

/** A whole ClientHello was sent; what comes back is never looked at. */
export async function helloSent(postern: Postern, authority: string, servername: string): Promise<FaultyClient> {
  const faulty = await inTunnel(postern, authority);
  await new Promise<void>((sent) => {
    const half = new Duplex({
      read() {},
      write: (bytes: Buffer, _encoding, done) => {
        faulty.raw.write(bytes, () => sent());
        done();
      },
    });
    const secure = closeAfterTest(connectTls({ socket: half, servername }), (open) => open.destroy());
    secure.on('error', () => {});
  });
  return faulty;
}

export async function inTls(postern: Postern, authority: string, servername: string): Promise<FaultyClient> {
  const { client, raw } = await inTunnel(postern, authority);
  await client.secure({ servername, ca: postern.ca });
  return { client, raw };
}

/** Sends a block again and again until no more of it is taken for half a second, or `blocksMax` were taken. Resolves with their number. */
export async function sendUntilHeld({ socket }: RawClient, block: string, blocksMax: number): Promise<number> {
  for (let count = 0; count < blocksMax; count++) {
    const taken = new Promise((resolve) => socket.write(block, () => resolve(true)));
    const held = new Promise((resolve) => setTimeout(resolve, 500, false));
    if (!(await Promise.race([taken, held]))) return count;
  }
  return blocksMax;
}

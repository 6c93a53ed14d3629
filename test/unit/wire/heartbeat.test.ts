import { once } from 'node:events';
import { connect, createServer } from 'node:http2';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Beat, Heartbeat } from '../../../src/wire/heartbeat.ts';
import { closeAfterTest, closeOpened } from '../../support/closing.ts';

closeOpened();

const BEAT: Beat = { silentMs: 100, answerMs: 400, isBusy: () => false };

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function watched(port: number, beat = BEAT) {
  const socket = connectTcp(port, '127.0.0.1');
  const session = connect('http://127.0.0.1', { createConnection: () => socket });
  session.on('error', () => {});
  closeAfterTest(session, () => session.destroy());
  return { session, socket, heartbeat: new Heartbeat(session, socket, beat) };
}

describe('a heartbeat', () => {
  it('asks again and again, and leaves alone who answers', async () => {
    const server = createServer();
    let pings = 0;
    const thrice = new Promise<void>((resolve) => {
      server.on('session', (session) => {
        session.on('ping', () => {
          pings++;
          if (pings === 3) resolve();
        });
      });
    });
    closeAfterTest(server, () => server.close());
    const { session } = watched(await portOf(server));
    await thrice;
    expect(session.destroyed).toBe(false);
  });

  it('ends a connection whose peer took the ping and says nothing', async () => {
    const sockets: Socket[] = [];
    const server = createTcpServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      // SETTINGS, empty, and its acknowledgement; then silence.
      socket.write(Buffer.from('000000040000000000000000040100000000', 'hex'));
      socket.resume();
    });
    closeAfterTest(server, () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { session } = watched(await portOf(server));
    await new Promise((resolve) => session.once('close', resolve));
    expect(session.destroyed).toBe(true);
  });

  it('ends a busy connection that was reset while nobody read it', async () => {
    const sockets: Socket[] = [];
    const server = createTcpServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.resume();
    });
    closeAfterTest(server, () => server.close());
    const { session, socket } = watched(await portOf(server), {
      silentMs: 60_000,
      answerMs: 60_000,
      isBusy: () => true,
    });
    await once(session, 'connect');
    while (sockets.length === 0) await new Promise((resolve) => setImmediate(resolve));
    // As Node's session does while it writes; after a reset it may never read again.
    (Reflect.get(socket, '_handle') as { readStop(): void }).readStop();
    sockets[0]?.resetAndDestroy();
    await new Promise((resolve) => session.once('close', resolve));
    expect(session.destroyed).toBe(true);
  });
});

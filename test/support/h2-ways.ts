import { type ClientHttp2Session, connect as connectH2 } from 'node:http2';
import type { Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { closeAfterTest } from './closing.ts';
import { PREFACE, settings } from './h2-frames.ts';
import { FramePeer, type PeerOptions } from './h2-peer.ts';
import type { Postern } from './postern.ts';
import { connectRaw, connectTunnel, type RawClient } from './raw-client.ts';
import { sweepClient } from './sweep.ts';

/** How a client gets to an origin: straight, or through a proxy that it asks. */
export interface Way {
  /** `origin.test:PORT`, which every request has to name. */
  readonly authority: string;
  /** A connection that speaks TLS; `alpn` is `h2` unless a test offers something else. */
  open(alpn?: readonly string[]): Promise<TLSSocket>;
}

const nameOf = (authority: string): string => authority.slice(0, authority.lastIndexOf(':'));

export function directly(port: number, ca: string, name = 'origin.test'): Way {
  return over(`${name}:${port}`, { ca }, () => connectRaw(port));
}

export function through(postern: Postern, authority: string): Way {
  return over(authority, postern, () => connectTunnel(postern.proxyPort, authority));
}

/** TLS over whatever `reach` has opened, with a certificate that `vouching` has issued. */
export function over(authority: string, vouching: Pick<Postern, 'ca'>, reach: () => Promise<RawClient>): Way {
  return {
    authority,
    open: async (alpn) => await secure((await reach()).socket, { authority, ca: vouching.ca, alpn }),
  };
}

interface Security {
  readonly authority: string;
  readonly ca: string;
  readonly alpn: readonly string[] | undefined;
}

async function secure(raw: Socket, { authority, ca, alpn = ['h2'] }: Security): Promise<TLSSocket> {
  raw.removeAllListeners('data');
  const socket = connectTls({ socket: raw, servername: nameOf(authority), ca, ALPNProtocols: [...alpn] });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed in the handshake')));
  });
  return socket;
}

export interface FrameClientOptions extends PeerOptions {
  readonly settings?: Parameters<typeof settings>[0];
}

/** A client that has sent its preface and its settings. */
export async function frameClient(way: Way, options: FrameClientOptions = {}): Promise<FramePeer> {
  const socket = await way.open();
  if (socket.alpnProtocol !== 'h2') throw new Error(`the other side speaks ${socket.alpnProtocol || 'no ALPN'}`);
  const peer = new FramePeer(socket, options);
  sweepClient(peer);
  peer.send(PREFACE, settings(options.settings));
  return peer;
}

/** The pseudo-fields of a request, in their usual order, and then others. */
export const requestFields = (
  authority: string,
  more: Readonly<Record<string, string>> = {},
  { method = 'GET', path = '/' } = {},
): (readonly [string, string])[] => [
  [':method', method],
  [':scheme', 'https'],
  [':authority', authority],
  [':path', path],
  ...Object.entries(more),
];

/** A client of Node's. Its errors are those of its streams. */
export async function nodeClient(way: Way, options: Parameters<typeof connectH2>[1] = {}): Promise<ClientHttp2Session> {
  const socket = await way.open();
  const session = connectH2(`https://${way.authority}`, { ...options, createConnection: () => socket });
  session.on('error', () => {});
  closeAfterTest(session, () => session.destroy());
  await new Promise<void>((resolve, reject) => {
    session.once('remoteSettings', () => resolve());
    session.once('close', () => reject(new Error('closed before its settings')));
  });
  return session;
}

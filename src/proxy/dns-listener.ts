import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { ListenAddress } from '../address/listen-address.ts';
import { TCP_BYTES_MAX, udpBytesMax } from '../dns/answer.ts';
import { errorCode } from '../errors.ts';
import { closeGently } from '../wire/close.ts';
import type { Wire } from '../wire/wire.ts';
import { firstBytes } from './first-bytes.ts';
import { listen, type ProxyListener, placeText, unmapped } from './listener.ts';
import { type Asker, answerName } from './name-service.ts';
import type { OpaqueRun, TunnelConnection } from './opening.ts';
import type { Passage } from './passage.ts';
import type { Services } from './services.ts';

/** RFC 7766 section 6.2.3: idle connections are closed after seconds. */
const IDLE_MS = 10_000;
const LENGTH_BYTES = 2;
/** A name, and EDNS with cookies and padding. */
const QUERY_BYTES_MAX = 4_096;
/** The kernel may give a port to UDP that TCP got, and keep it from us. */
const PORT_TRIES = 8;

/** Answers DNS by UDP and TCP at one address. Rejects with the system's error. */
export async function listenDns(address: ListenAddress, services: Services): Promise<ProxyListener> {
  for (let tried = 1; ; tried++) {
    const tcp = await listen(address, services, {
      ingress: 'dns',
      meantPort: null,
      serve: (wire, passage, connection) => serveDns(wire, passage, connection, address),
    });
    try {
      const udp = await bindUdp(tcp.address, services);
      return { address: tcp.address, close: () => closeBoth(tcp, udp) };
    } catch (error) {
      void tcp.close();
      const isOfChance = address.text.endsWith(':0') && errorCode(error) === 'EADDRINUSE';
      if (!isOfChance || tried === PORT_TRIES) throw error;
    }
  }
}

async function closeBoth(tcp: ProxyListener, udp: Socket): Promise<void> {
  udp.close();
  await tcp.close();
}

function bindUdp(address: ListenAddress, services: Services): Promise<Socket> {
  if (address.kind === 'unix') throw new TypeError('validated settings hold a DNS listener at a Unix socket');
  const socket = createSocket({ type: address.host.includes(':') ? 'udp6' : 'udp4' });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port: address.port, address: address.host, exclusive: true }, () => {
      socket.off('error', reject);
      // After binding an error concerns one datagram that did not leave.
      socket.on('error', () => {});
      socket.on('message', (bytes, peer) => void answerDatagram(socket, bytes, peer, { address, services }));
      resolve(socket);
    });
  });
}

/** UDP tells who asks by an address alone, which may be forged: an answer is never larger than what the real owner of it said it takes. */
async function answerDatagram(
  socket: Socket,
  bytes: Buffer,
  peer: RemoteInfo,
  { address, services }: { readonly address: ListenAddress; readonly services: Services },
): Promise<void> {
  // Nobody asks from port 0, and nothing could be sent there.
  if (peer.port === 0 || bytes.length > QUERY_BYTES_MAX) return;
  const source = unmapped(peer.address);
  const entrance = {
    ingress: 'dns',
    listener: address.text,
    client: placeText(source, peer.port),
    clientAddress: source,
    reachedAt: null,
    meantPort: null,
  } as const;
  const evidence = { address: source, listener: address.text, credentials: null, tokenless: true } as const;
  const asker: Asker = { entrance, evidence, listener: address, bytesMax: ({ edns }) => udpBytesMax(edns) };
  const answer = await answerName(bytes, asker, services);
  if (answer === null) return;
  try {
    socket.send(answer, peer.port, peer.address, () => {});
  } catch {
    // Closed while the answer was looked for.
  }
}

/** One question after another, each behind its length (RFC 7766 section 8). */
async function serveDns(
  wire: Wire,
  { entrance, evidence }: Passage,
  connection: TunnelConnection,
  listener: ListenAddress,
): Promise<void> {
  const run: OpaqueRun = { judge: () => null, cut: () => wire.destroy(), drain: () => wire.destroy() };
  connection.runs(run);
  const asker: Asker = { entrance, evidence, listener, bytesMax: () => TCP_BYTES_MAX };
  for (;;) {
    const bytes = await firstBytes(wire, IDLE_MS, firstMessage);
    if (bytes === null || bytes.length === 0) break;
    wire.inbox.skip(LENGTH_BYTES + bytes.length);
    const answer = await answerName(bytes, asker, connection.services);
    if (answer === null || wire.gone) break;
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt16BE(answer.length);
    wire.write(Buffer.concat([length, answer]));
    // Who asks and does not read is not answered further; who asks much at once is.
    if (wire.isFull && !(await drained(wire))) break;
  }
  closeGently(wire);
}

/** Whether the answers so far have left in time. */
function drained(wire: Wire): Promise<boolean> {
  return new Promise((resolve) => {
    wire.give({ onReadable: () => {}, onGone: () => resolve(false), onDeadline: () => resolve(false) });
    wire.expireIn(IDLE_MS);
    wire.whenDrained(() => resolve(true));
  });
}

/** A copy of the first message; empty if there cannot be one; null while it is not whole. */
function firstMessage(bytes: Buffer): Buffer | null {
  if (bytes.length < LENGTH_BYTES) return null;
  const length = bytes.readUInt16BE(0);
  if (length === 0 || length > QUERY_BYTES_MAX) return Buffer.alloc(0);
  return bytes.length < LENGTH_BYTES + length ? null : Buffer.from(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
}

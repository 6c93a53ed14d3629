import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { closeAfterTest } from './closing.ts';
import { answerTo, readQuestion, TYPE_AAAA } from './dns-message.ts';

/** How a DNS server fails. `forged`: with the answer of another question; `half`: nothing for AAAA; `late`: when `release` is called. */
export type DnsFault =
  | 'missing'
  | 'failure'
  | 'refusal'
  | 'empty'
  | 'silence'
  | 'garbage'
  | 'forged'
  | 'truncated'
  | 'half'
  | 'late';

export interface FaultyDns {
  readonly port: number;
  /** The questions for a name so far. */
  asked(name: string): number;
  /** Sends the answers that were held back. */
  release(): void;
}

const RESPONSE_CODE = { failure: 2, missing: 3, refusal: 5 } as const;
const TRUNCATED = 0x0200;

/** A server that answers `FAULT.test`, and the names under it, with that fault; what is right has the given address. */
export async function startFaultyDns(address: string): Promise<FaultyDns> {
  const socket = createSocket('udp4');
  const questions: string[] = [];
  const held: (() => void)[] = [];
  socket.on('message', (query, peer) => {
    const { name, type, end } = readQuestion(query);
    questions.push(name);
    const fault = name.split('.').at(-2) as DnsFault; // any other name is answered as it should be
    const right = answerTo(query.subarray(0, end), [address], type);
    const send = (bytes: Buffer): void => socket.send(bytes, peer.port, peer.address);
    if (fault === 'late') held.push(() => send(right));
    else if (fault !== 'half' || type !== TYPE_AAAA) for (const bytes of answersOf(fault, right, end)) send(bytes);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  closeAfterTest(socket, () => new Promise<void>((resolve) => socket.close(() => resolve())));
  return {
    port: (socket.address() as AddressInfo).port,
    asked: (name) => questions.filter((each) => each === name).length,
    release: () => {
      for (const send of held.splice(0)) send();
    },
  };
}

function answersOf(fault: DnsFault, right: Buffer, end: number): readonly Buffer[] {
  const head = Buffer.from(right.subarray(0, end));
  head.writeUInt16BE(0, 6);
  switch (fault) {
    case 'silence':
      return [];
    case 'garbage':
      return [Buffer.from('not a message'), Buffer.concat([right.subarray(0, 14), Buffer.alloc(30, 0xc0)])];
    case 'forged':
      right.writeUInt16BE(right.readUInt16BE(0) ^ 0xffff, 0);
      return [right];
    case 'empty':
      return [head];
    case 'truncated':
      head.writeUInt16BE(head.readUInt16BE(2) | TRUNCATED, 2);
      return [head];
    case 'missing':
    case 'failure':
    case 'refusal':
      head.writeUInt16BE((head.readUInt16BE(2) & 0xfff0) | RESPONSE_CODE[fault], 2);
      return [head];
    default:
      return [right];
  }
}

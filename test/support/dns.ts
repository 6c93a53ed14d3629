import { createSocket, type RemoteInfo } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { closeAfterTest } from './closing.ts';
import { answerTo, readQuestion, TYPE_A } from './dns-message.ts';

/** Addresses by name; a name that is not there does not exist. */
type Zone = Record<string, readonly string[]>;

export interface DnsServer {
  readonly port: number;
  /** May be changed at any time. */
  readonly zone: Zone;
  /** Questions so far, as `A name` and `AAAA name`. */
  readonly questions: readonly string[];
  /** Holds answers back until `release`. */
  hold(): void;
  release(): void;
  /** Resolves when a question for the name was or is asked. */
  asked(name: string): Promise<void>;
}

/** A DNS server for A and AAAA, whose answers a test changes while it runs (RFC 1035 section 4). */
export async function startDns(zone: Zone): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const questions: string[] = [];
  let held: (() => void)[] | null = null;
  let waiting: (() => void)[] = [];
  socket.on('message', (query: Buffer, peer: RemoteInfo) => {
    const { name, type, end } = readQuestion(query);
    questions.push(`${type === TYPE_A ? 'A' : 'AAAA'} ${name}`);
    for (const wake of waiting.splice(0)) wake();
    const send = (): void => {
      const answer = answerTo(query.subarray(0, end), zone[name], type);
      socket.send(answer, peer.port, peer.address);
    };
    if (held === null) send();
    else held.push(send);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  closeAfterTest(socket, () => new Promise<void>((resolve) => socket.close(() => resolve())));
  return {
    port: (socket.address() as AddressInfo).port,
    zone,
    questions,
    hold: () => {
      held = [];
    },
    release: () => {
      const sends = held ?? [];
      held = null;
      for (const send of sends) send();
    },
    asked: async (name) => {
      while (!questions.some((question) => question.endsWith(` ${name}`))) {
        await new Promise<void>((resolve) => {
          waiting = [...waiting, resolve];
        });
      }
    },
  };
}

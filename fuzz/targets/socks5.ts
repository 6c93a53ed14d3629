import { hostFromRequest } from '../../src/address/hostname.ts';
import { Inbox } from '../../src/http1/inbox.ts';
import { type SocksMessage, SocksReader } from '../../src/socks5/reader.ts';
import {
  BOTH,
  byIpv4,
  byIpv6,
  byName,
  credentials,
  LOOPBACK_SIX,
  NO_AUTH,
  PASSWORD,
} from '../../test/support/socks.ts';
import { holds, same, type Target } from '../target.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What a SOCKS5 client says until its tunnel begins: one reading, however it arrives, and nothing of the tunnel taken. */
export const target: Target = {
  name: 'socks5',
  seeds: [
    NO_AUTH + byName('api.example.com', 443),
    `${NO_AUTH}${byIpv4('127.0.0.1', 80)}GET / HTTP/1.1\r\n\r\n`,
    NO_AUTH + byIpv6(LOOPBACK_SIX, 443),
    BOTH + credentials('vm-42', 'token') + byName('a.test', 1),
    PASSWORD + credentials('', '') + byName('', 0),
    NO_AUTH + byName('a.test', 1, 3),
    '\x04\x01\x00\x50\x7f\x00\x00\x01\x00',
  ].map(latin1),
  dictionary: [
    '\x05\x01\x00',
    '\x05\x01\x00\x03',
    '\x05\x01\x00\x04',
    '\x01\x05',
    '\xff',
    '\x05\x02\x00\x02',
    'a.test',
    '\x01\xbb',
  ],
  bytesMax: 800,
  check(input) {
    for (const method of ['none', 'password'] as const) {
      const whole = read([input], method);
      for (const size of [1, 3, 64])
        same('reads may end anywhere', read(inPieces(input, size), method).messages, whole.messages);
      const more = read([Buffer.concat([input, latin1('early')])], method);
      const asked = whole.messages.find(({ kind }) => kind === 'request');
      if (asked?.kind !== 'request') continue;
      same('what follows the request changes nothing', more.messages, whole.messages);
      same('and stays for the tunnel', more.rest.toString('latin1'), `${whole.rest.toString('latin1')}early`);
      holds('a port has two bytes', asked.port >= 0 && asked.port <= 0xffff);
      holds('the host is among the bytes, or an address', isAddress(asked.host) || input.includes(latin1(asked.host)));
    }
  },
};

/** Addresses are canonical as they come out of the reader. */
function isAddress(host: string): boolean {
  const reading = hostFromRequest(host);
  return reading.ok && reading.kind !== 'name' && reading.host === host;
}

function inPieces(input: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < input.length; at += size) pieces.push(input.subarray(at, at + size));
  return pieces;
}

function read(pieces: readonly Buffer[], method: 'none' | 'password'): { messages: SocksMessage[]; rest: Buffer } {
  const reader = new SocksReader();
  const inbox = new Inbox();
  const messages: SocksMessage[] = [];
  for (const piece of pieces) {
    inbox.push(piece);
    for (let message = reader.next(inbox); message !== null; message = reader.next(inbox)) {
      messages.push(message);
      if (message.kind === 'refused') return { messages, rest: inbox.peek() };
      if (message.kind === 'greeting') reader.choose(method);
    }
  }
  return { messages, rest: inbox.peek() };
}

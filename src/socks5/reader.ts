import { ipOf } from '../address/ip.ts';
import type { Inbox } from '../http1/inbox.ts';

/** The first byte of what a SOCKS client sends (RFC 1928 section 3; SOCKS4 has 4). No HTTP method begins with either. */
export const SOCKS5 = 0x05;
export const SOCKS4 = 0x04;

/** RFC 1929 section 2: the version of the sub-negotiation, which is not that of SOCKS. */
const PASSWORD_VERSION = 0x01;
const METHOD_NONE = 0x00;
const METHOD_PASSWORD = 0x02;

const COMMANDS = { 1: 'connect', 2: 'bind', 3: 'udp-associate' } as const;
const IPV4 = 0x01;
const NAME = 0x03;
const IPV6 = 0x04;

export type Command = (typeof COMMANDS)[keyof typeof COMMANDS] | 'unknown';

export type SocksMessage =
  | { readonly kind: 'greeting'; readonly offersNone: boolean; readonly offersPassword: boolean }
  | { readonly kind: 'credentials'; readonly username: string; readonly password: string }
  | SocksRequest
  | SocksRefused;

/** `host` is as it came, one character a byte and not judged; addresses are canonical, IPv6 in brackets. */
export interface SocksRequest {
  readonly kind: 'request';
  readonly command: Command;
  readonly host: string;
  readonly port: number;
}

/** `address`: the address is of a type that nobody can know the length of. `why` holds nothing of the bytes. */
export interface SocksRefused {
  readonly kind: 'refused';
  readonly part: 'message' | 'address';
  readonly why: string;
}

/** Bytes of a request before its address: version, command, reserved, address type. */
const REQUEST_START = 4;
const PORT_BYTES = 2;

/**
 * Cuts the messages of a SOCKS5 client (RFC 1928, RFC 1929) from the front of an inbox, however they were split over reads; what follows the
 * request stays there, it is the tunnel's. No message is longer than 513 bytes, so there is no limit to pass. Keep one a connection.
 */
export class SocksReader {
  #expects: 'greeting' | 'choice' | 'credentials' | 'request' | 'nothing' = 'greeting';
  #refused: SocksRefused | null = null;

  /** The next message, taken out; null if it is not complete yet, or not expected. Once refused, the answer stays. */
  next(inbox: Inbox): SocksMessage | null {
    if (this.#refused !== null) return this.#refused;
    const message = this.#read(inbox);
    if (message?.kind === 'refused') this.#refused = message;
    return message;
  }

  /** The method that the greeting was answered with: it says what comes next. */
  choose(method: 'none' | 'password'): void {
    this.#expects = method === 'password' ? 'credentials' : 'request';
  }

  #read(inbox: Inbox): SocksMessage | null {
    switch (this.#expects) {
      case 'greeting':
        return this.#greeting(inbox);
      case 'credentials':
        return this.#credentials(inbox);
      case 'request':
        return this.#request(inbox);
      case 'choice':
      case 'nothing':
        return null;
    }
  }

  /** VER, NMETHODS, METHODS (RFC 1928 section 3). */
  #greeting(inbox: Inbox): SocksMessage | null {
    if (isOther(inbox.at(0), SOCKS5)) return refused('the version is not 5');
    const count = inbox.at(1);
    if (count === undefined || inbox.length < 2 + count) return null;
    const methods = inbox.peek().subarray(2, 2 + count);
    const offers = { offersNone: methods.includes(METHOD_NONE), offersPassword: methods.includes(METHOD_PASSWORD) };
    inbox.skip(2 + count);
    this.#expects = 'choice';
    return { kind: 'greeting', ...offers };
  }

  /** VER, ULEN, UNAME, PLEN, PASSWD (RFC 1929 section 2). */
  #credentials(inbox: Inbox): SocksMessage | null {
    if (isOther(inbox.at(0), PASSWORD_VERSION)) return refused('the version of the password message is not 1');
    const nameEnd = 2 + (inbox.at(1) ?? 0);
    const end = nameEnd + 1 + (inbox.at(nameEnd) ?? 0);
    if (inbox.length < end) return null;
    const bytes = inbox.peek();
    const username = bytes.toString('utf8', 2, nameEnd);
    const password = bytes.toString('utf8', nameEnd + 1, end);
    inbox.skip(end);
    this.#expects = 'request';
    return { kind: 'credentials', username, password };
  }

  /** VER, CMD, RSV, ATYP, DST.ADDR, DST.PORT (RFC 1928 section 4). */
  #request(inbox: Inbox): SocksMessage | null {
    if (isOther(inbox.at(0), SOCKS5)) return refused('the version of the request is not 5');
    if (isOther(inbox.at(2), 0)) return refused('the reserved byte of the request is not zero');
    const type = inbox.at(3);
    if (type === undefined) return null;
    const address = addressBytes(type, inbox.at(REQUEST_START));
    if (address === null) return { kind: 'refused', part: 'address', why: 'the address is of an unknown type' };
    const end = address.end + PORT_BYTES;
    if (inbox.length < end) return null;
    const bytes = inbox.peek();
    const host = hostOf(type, bytes.subarray(address.start, address.end));
    const port = bytes.readUInt16BE(address.end);
    const command = commandOf(bytes[1] ?? 0);
    inbox.skip(end);
    this.#expects = 'nothing';
    return { kind: 'request', command, host, port };
  }
}

/** Where the address stands in a request; null for a type that is not known. A name whose length has not come has at least no bytes. */
function addressBytes(
  type: number,
  first: number | undefined,
): { readonly start: number; readonly end: number } | null {
  if (type === IPV4) return { start: REQUEST_START, end: REQUEST_START + 4 };
  if (type === IPV6) return { start: REQUEST_START, end: REQUEST_START + 16 };
  return type === NAME ? { start: REQUEST_START + 1, end: REQUEST_START + 1 + (first ?? 0) } : null;
}

function hostOf(type: number, bytes: Buffer): string {
  if (type === NAME) return bytes.toString('latin1');
  const { family, text } = ipOf(Uint8Array.from(bytes));
  return family === 6 ? `[${text}]` : text;
}

const commandOf = (byte: number): Command => (byte === 1 || byte === 2 || byte === 3 ? COMMANDS[byte] : 'unknown');

const isOther = (byte: number | undefined, wanted: number): boolean => byte !== undefined && byte !== wanted;

const refused = (why: string): SocksRefused => ({ kind: 'refused', part: 'message', why });

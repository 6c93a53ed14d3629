import { connectRaw, type RawClient } from './raw-client.ts';

const byte = (value: number): string => String.fromCharCode(value);
const u16 = (value: number): string => byte(value >> 8) + byte(value & 0xff);
const counted = (text: string): string => byte(text.length) + text;

/** Messages of a SOCKS5 client (RFC 1928, RFC 1929), one character a byte. */
export const NO_AUTH = '\x05\x01\x00';
export const PASSWORD = '\x05\x01\x02';
/** What curl and others offer that have credentials. */
export const BOTH = '\x05\x02\x00\x02';

export const credentials = (username: string, password: string): string =>
  `\x01${counted(username)}${counted(password)}`;

export const byName = (host: string, port: number, command = 1): string =>
  `\x05${byte(command)}\x00\x03${counted(host)}${u16(port)}`;

export const byIpv4 = (address: string, port: number, command = 1): string =>
  `\x05${byte(command)}\x00\x01${address.split('.').map(Number).map(byte).join('')}${u16(port)}`;

/** @param groups the eight groups of the address */
export const byIpv6 = (groups: readonly number[], port: number, command = 1): string =>
  `\x05${byte(command)}\x00\x04${groups.map(u16).join('')}${u16(port)}`;

export const LOOPBACK_SIX = [0, 0, 0, 0, 0, 0, 0, 1] as const;

/** The whole answer to a request. */
export const reply = (code: number): string => `\x05${byte(code)}\x00\x01\x00\x00\x00\x00\x00\x00`;
export const OPEN = reply(0);

/** The reply code to a request on a connection of its own; null if it was closed without one. */
export async function socksReply(port: number, request: string, greeting = NO_AUTH): Promise<number | null> {
  const client = await connectRaw(port);
  client.send(greeting + request);
  const answer = await client.untilEnded();
  const code = answer.startsWith('\x05\x00') && answer.length === 12 ? answer.charCodeAt(3) : null;
  return answer.slice(2) === reply(code ?? 0xff) ? code : null;
}

/** A client whose tunnel is open; rejects with what came if it is not. */
export async function connectSocks(port: number, request: string): Promise<RawClient> {
  return await openedBy(await connectRaw(port), request);
}

export async function openedBy(client: RawClient, request: string): Promise<RawClient> {
  client.send(NO_AUTH);
  await client.take(/^\x05\x00$/);
  client.send(request);
  const answer = await client.take(/^[\s\S]{10}/);
  if (answer !== OPEN) throw new Error(`refused with ${answer.charCodeAt(1)}`);
  return client;
}

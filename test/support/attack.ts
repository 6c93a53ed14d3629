import { expect } from 'vitest';
import type { Postern } from './postern.ts';
import { connectRaw, type RawClient } from './raw-client.ts';

/** The whole answer of an origin that only has to be reached. */
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** The status and code of the next answer on a connection: `403 HOST_DENIED`, or `200 OK` where an attack got through. */
export async function refusalOn(client: RawClient): Promise<string> {
  const [, status, code] = await client.until(/^HTTP\/1\.1 (\d\d\d) (\w+)[^\r]*\r\n/);
  return `${status} ${code}`;
}

/** Sends bytes on a connection of its own to the proxy; the code of the refusal. */
export async function refusalOf(postern: Postern, bytes: string): Promise<string> {
  const client = await connectRaw(postern.proxyPort);
  client.send(bytes);
  return await refusalOn(client);
}

export const connectTo = (authority: string, fields = ''): string =>
  `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;

/** A GET in absolute-form, as a client sends it to its proxy. */
export const getFrom = (authority: string, path = '/', fields = ''): string =>
  `GET http://${authority}${path} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;

/** A GET in origin-form, as a client sends it inside a tunnel. */
export const getInside = (authority: string, path = '/', fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;

/** No attack ended the process, and none met an error that is ours. */
export function expectUnharmed(postern: Postern): void {
  expect(postern.exitCode).toBeNull();
  expect(postern.audit.filter(({ code }) => code === 'INTERNAL')).toEqual([]);
  expect(postern.stderr).not.toMatch(/unhandled|uncaught|MaxListeners/i);
}

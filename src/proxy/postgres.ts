import { ProxyError } from '../errors.ts';
import type { Wire } from '../wire/wire.ts';
import { firstBytes } from './first-bytes.ts';

/**
 * What PostgreSQL clients say before TLS (protocol 3.0, "Message Flow", SSL and GSSAPI Session Encryption): a length of eight and a number. They wait
 * for one byte before they go on.
 */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const GSSENC_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30]);
const YES = 0x53;
const YES_BYTES = Buffer.from('S');
const NO_BYTES = Buffer.from('N');

export type Preface =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'ssl' | 'gss'; readonly bytes: number; readonly answer: Buffer }
  /** Something else is spoken. */
  | { readonly kind: 'none' };

/** Reads the first bytes of a connection. A startup message without TLS is none of ours: it begins with another length or number. */
export function readPreface(bytes: Buffer): Preface {
  for (const [kind, request, answer] of PREFACES) {
    const length = Math.min(bytes.length, request.length);
    if (!bytes.subarray(0, length).equals(request.subarray(0, length))) continue;
    return length < request.length ? { kind: 'need-more' } : { kind, bytes: length, answer };
  }
  return { kind: 'none' };
}

/** A startup message of protocol 3: whoever speaks that asks for no TLS, and names no host. */
export const isStartup = (bytes: Buffer): boolean => bytes.length >= 8 && bytes.readUInt32BE(4) >> 16 === 3;

/** An ErrorResponse, which every client of protocol 3 shows. */
export function errorResponse(text: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C08004\0M${text}\0\0`);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(fields.length + length.length);
  return Buffer.concat([Buffer.from('E'), length, fields]);
}

const PREFACES = [
  ['ssl', SSL_REQUEST, YES_BYTES],
  ['gss', GSSENC_REQUEST, NO_BYTES],
] as const;

/**
 * Asks the server for TLS, as the client has asked us, so that both are where the ClientHello is next. Throws `TLS_FAILED`. Bytes behind the
 * answer, which is not encrypted yet, would reach the client as if the server had sent them encrypted (CVE-2021-23222).
 */
export async function askForTls(upstream: Wire, limitMs: number): Promise<void> {
  upstream.write(SSL_REQUEST);
  const answer = await firstBytes(upstream, limitMs, (bytes) => Buffer.from(bytes));
  if (answer === null) throw refused('the server did not answer the SSLRequest');
  if (answer[0] !== YES) throw refused('the server does not speak TLS');
  if (answer.length > 1) throw refused('the server sent more than the answer to the SSLRequest');
  upstream.inbox.skip(1);
}

const refused = (reason: string): ProxyError =>
  new ProxyError('TLS_FAILED', { stage: 'detect', side: 'upstream', reason });

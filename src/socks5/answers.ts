import type { Code } from '../errors.ts';

/** RFC 1928 section 6. */
export const REPLY = {
  succeeded: 0x00,
  failure: 0x01,
  notAllowed: 0x02,
  networkUnreachable: 0x03,
  hostUnreachable: 0x04,
  refused: 0x05,
  ttlExpired: 0x06,
  commandUnsupported: 0x07,
  addressUnsupported: 0x08,
} as const;

/** Answers to the greeting (RFC 1928 section 3). */
export const CHOSEN_NONE = Buffer.from([0x05, 0x00]);
export const CHOSEN_PASSWORD = Buffer.from([0x05, 0x02]);
export const NONE_ACCEPTABLE = Buffer.from([0x05, 0xff]);

/** Answers to user and password (RFC 1929 section 2: anything but zero, and the connection is closed). */
export const CREDENTIALS_RIGHT = Buffer.from([0x01, 0x00]);
export const CREDENTIALS_WRONG = Buffer.from([0x01, 0x01]);

/**
 * The answer to a request. BND.ADDR and BND.PORT are 0.0.0.0:0: from where we connect is no business of the sandbox, and for CONNECT nobody
 * needs it.
 */
export const replyBytes = (reply: number): Buffer => Buffer.from([0x05, reply, 0x00, 0x01, 0, 0, 0, 0, 0, 0]);

/**
 * What a client is told of an error: SOCKS has one byte for it, the audit line has the code.
 * @param systemCode why no connection could be made (`EHOSTUNREACH`), where that is known
 */
export function replyOf(code: Code, status: number, systemCode: string): number {
  if (code === 'DNS_FAILED') return REPLY.hostUnreachable;
  if (code === 'CONNECT_FAILED') return BY_SYSTEM_CODE.get(systemCode) ?? REPLY.refused;
  // A name that is none, a garbled message: no ruleset was asked.
  if (status === 400) return REPLY.failure;
  if (status === 408 || status === 504) return REPLY.ttlExpired;
  return status < 500 ? REPLY.notAllowed : REPLY.failure;
}

const BY_SYSTEM_CODE: ReadonlyMap<string, number> = new Map([
  ['ENETUNREACH', REPLY.networkUnreachable],
  ['EHOSTUNREACH', REPLY.hostUnreachable],
  ['EHOSTDOWN', REPLY.hostUnreachable],
  ['ETIMEDOUT', REPLY.ttlExpired],
]);

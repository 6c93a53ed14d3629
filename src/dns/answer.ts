import type { Edns, Query, QueryReading } from './query.ts';
import { CLASS_IN, type ExtendedError, type Rcode, TYPE } from './types.ts';

/** One record about the name that was asked for. */
export interface AnswerRecord {
  readonly type: number;
  readonly data: Buffer;
}

export interface Answer {
  readonly rcode: Rcode;
  readonly records: readonly AnswerRecord[];
  /** Why, for clients that read it (RFC 8914); null: nothing to say. The text is ASCII and short. */
  readonly extended: { readonly code: ExtendedError; readonly text: string } | null;
}

/**
 * Seconds that an answer may be kept. Short: a policy may change at any time.
 */
export const TTL_SECONDS = 30;

/** RFC 1035 section 4.2.1, for clients without EDNS. */
const UDP_BYTES_MIN = 512;
/** What passes every network in one piece (DNS flag day 2020), whatever a client would take. */
const UDP_BYTES_MAX = 1_232;
export const TCP_BYTES_MAX = 65_535;

const FLAGS = { response: 0x8000, truncated: 0x0200, desired: 0x0100, available: 0x0080, checkingDisabled: 0x0010 };
/** A pointer to the name of the question (RFC 1035 section 4.1.4). */
const SAME_NAME = 0xc00c;
const OPTION_EXTENDED_ERROR = 15;

/** The bytes that a UDP answer may have. */
export const udpBytesMax = (edns: Edns | null): number =>
  edns === null ? UDP_BYTES_MIN : Math.min(Math.max(edns.udpBytes, UDP_BYTES_MIN), UDP_BYTES_MAX);

/**
 * Writes the answer to a query. One that is too large for `bytesMax` goes without records and says that it is cut (RFC 2181 section 9), so that
 * the client asks again by TCP.
 */
export function writeAnswer(
  query: Query | Extract<QueryReading, { readonly kind: 'refused' }>,
  answer: Answer,
  bytesMax: number,
): Buffer {
  const whole = message(query, answer, false);
  return whole.length <= bytesMax ? whole : message(query, { ...answer, records: [], extended: null }, true);
}

function message(
  query: Query | Extract<QueryReading, { readonly kind: 'refused' }>,
  { rcode, records, extended }: Answer,
  truncated: boolean,
): Buffer {
  const { header, edns } = query;
  const question = query.kind === 'query' ? query.question.bytes : Buffer.alloc(0);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(header.id, 0);
  const flags =
    FLAGS.response |
    (header.opcode << 11) |
    (truncated ? FLAGS.truncated : 0) |
    (header.recursionDesired ? FLAGS.desired : 0) |
    FLAGS.available |
    (header.checkingDisabled ? FLAGS.checkingDisabled : 0) |
    (rcode & 0xf);
  head.writeUInt16BE(flags, 2);
  head.writeUInt16BE(question.length === 0 ? 0 : 1, 4);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt16BE(edns === null ? 0 : 1, 10);
  return Buffer.concat([head, question, ...records.map(recordBytes), optBytes(edns, rcode, extended)]);
}

function recordBytes({ type, data }: AnswerRecord): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(SAME_NAME, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(CLASS_IN, 4);
  head.writeUInt32BE(TTL_SECONDS, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** Sent only to who sent one (RFC 6891 section 6.1.1). */
function optBytes(edns: Edns | null, rcode: Rcode, extended: Answer['extended']): Buffer {
  if (edns === null) return Buffer.alloc(0);
  const option = extended === null ? Buffer.alloc(0) : extendedBytes(extended);
  const head = Buffer.alloc(11);
  head.writeUInt16BE(TYPE.OPT, 1);
  head.writeUInt16BE(UDP_BYTES_MAX, 3);
  head.writeUInt8(rcode >> 4, 5);
  head.writeUInt16BE(edns.dnssecOk ? 0x8000 : 0, 7);
  head.writeUInt16BE(option.length, 9);
  return Buffer.concat([head, option]);
}

function extendedBytes({ code, text }: NonNullable<Answer['extended']>): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt16BE(OPTION_EXTENDED_ERROR, 0);
  head.writeUInt16BE(2 + text.length, 2);
  head.writeUInt16BE(code, 4);
  return Buffer.concat([head, Buffer.from(text, 'latin1')]);
}

/** RFC 8482 section 4.2: what is answered to who asks for everything. */
export const REFUSAL_OF_ANY: AnswerRecord = { type: TYPE.HINFO, data: Buffer.from('\x07RFC8482\x00', 'latin1') };

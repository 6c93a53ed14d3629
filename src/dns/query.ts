import { CLASS_IN, RCODE, TYPE } from './types.ts';

/** What a client says of itself by EDNS (RFC 6891 section 6.1). */
export interface Edns {
  readonly udpBytes: number;
  readonly version: number;
  /** "DNSSEC OK", which the answer repeats (RFC 3225 section 3). */
  readonly dnssecOk: boolean;
}

export interface Question {
  /** Labels joined by dots, in the client's case; null where a label has a byte that no host name has, so that no dot in it is taken for ours. */
  readonly name: string | null;
  readonly type: number;
  readonly class: number;
  /** As it came: the answer repeats it byte for byte, the case included. */
  readonly bytes: Buffer;
}

interface Header {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
}

export interface Query {
  readonly kind: 'query';
  readonly header: Header;
  readonly question: Question;
  /** Null: the client knows no EDNS, and is sent none. */
  readonly edns: Edns | null;
}

export type QueryReading =
  | Query
  /** Whoever answered that would answer an answer, or noise. */
  | { readonly kind: 'ignore' }
  | {
      readonly kind: 'refused';
      readonly header: Header;
      readonly rcode: typeof RCODE.FORMERR | typeof RCODE.NOTIMP | typeof RCODE.BADVERS;
      readonly why: string;
      readonly edns: Edns | null;
    };

const HEADER_BYTES = 12;
const FLAG_RESPONSE = 0x8000;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_CHECKING_DISABLED = 0x0010;
/** RFC 1035 section 2.3.4, the final zero included. */
const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;
const POINTER = 0xc0;
/** A query has an OPT record, and perhaps a signature. */
const ADDITIONAL_MAX = 4;
const HOST_LABEL = /^[A-Za-z0-9_-]+$/;

/** Thrown and caught in this file only. */
class Fault extends Error {}

/**
 * Reads one message of a client (RFC 1035 section 4). Strict: one question, no answers, nothing behind its end, no compression in its name (a
 * first name has nothing to point to). Costs one pass whatever is in it: nothing is followed. Never throws.
 */
export function readQuery(bytes: Buffer): QueryReading {
  if (bytes.length < HEADER_BYTES) return { kind: 'ignore' };
  const flags = bytes.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) !== 0) return { kind: 'ignore' };
  const header = {
    id: bytes.readUInt16BE(0),
    opcode: (flags >> 11) & 0xf,
    recursionDesired: (flags & FLAG_RECURSION_DESIRED) !== 0,
    checkingDisabled: (flags & FLAG_CHECKING_DISABLED) !== 0,
  };
  if (header.opcode !== 0) return refused(header, RCODE.NOTIMP, 'another operation than QUERY');
  try {
    return readBody(bytes, header, (flags & FLAG_TRUNCATED) !== 0);
  } catch (error) {
    if (error instanceof Fault) return refused(header, RCODE.FORMERR, error.message);
    throw error;
  }
}

const refused = (
  header: Header,
  rcode: typeof RCODE.FORMERR | typeof RCODE.NOTIMP | typeof RCODE.BADVERS,
  why: string,
  edns: Edns | null = null,
): QueryReading => ({ kind: 'refused', header, rcode, why, edns });

function readBody(bytes: Buffer, header: Header, truncated: boolean): QueryReading {
  const [questions = 0, answers = 0, authorities = 0, additional = 0] = [4, 6, 8, 10].map((at) =>
    bytes.readUInt16BE(at),
  );
  // RFC 9619: servers never agreed on what two questions would mean.
  if (questions !== 1) throw new Fault('not exactly one question');
  if (truncated || answers > 0 || authorities > 0) throw new Fault('a query that holds answers, or only its beginning');
  if (additional > ADDITIONAL_MAX) throw new Fault('too many additional records');
  const question = readQuestion(bytes);
  let at = HEADER_BYTES + question.bytes.length;
  let edns: Edns | null = null;
  for (let count = 0; count < additional; count++) {
    const record = readRecord(bytes, at);
    at = record.end;
    if (record.type !== TYPE.OPT) continue;
    // RFC 6891 section 6.1.1.
    if (edns !== null || !record.ofRoot) throw new Fault('an OPT record that is not the only one, or not of the root');
    edns = readEdns(record);
  }
  if (at !== bytes.length) throw new Fault('bytes behind the end');
  if (edns !== null && edns.version !== 0) return refused(header, RCODE.BADVERS, 'an unknown version of EDNS', edns);
  return { kind: 'query', header, question, edns };
}

function readQuestion(bytes: Buffer): Question {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) throw new Fault('a name without an end');
    at += 1;
    if (length === 0) break;
    if (length > LABEL_BYTES_MAX) throw new Fault('a name with a pointer or an unknown kind of label');
    labels.push(bytes.toString('latin1', at, at + length));
    at += length;
    if (at - HEADER_BYTES >= NAME_BYTES_MAX) throw new Fault('a name of more than 255 bytes');
  }
  if (at + 4 > bytes.length) throw new Fault('a question without an end');
  return {
    name: labels.every((label) => HOST_LABEL.test(label)) ? labels.join('.') : null,
    type: bytes.readUInt16BE(at),
    class: bytes.readUInt16BE(at + 2),
    bytes: bytes.subarray(HEADER_BYTES, at + 4),
  };
}

interface RecordRead {
  readonly ofRoot: boolean;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: Buffer;
  readonly end: number;
}

function readRecord(bytes: Buffer, start: number): RecordRead {
  const at = endOfName(bytes, start);
  if (at + 10 > bytes.length) throw new Fault('a record without an end');
  const end = at + 10 + bytes.readUInt16BE(at + 8);
  if (end > bytes.length) throw new Fault('a record without an end');
  return {
    ofRoot: at === start + 1,
    type: bytes.readUInt16BE(at),
    class: bytes.readUInt16BE(at + 2),
    ttl: bytes.readUInt32BE(at + 4),
    data: bytes.subarray(at + 10, end),
    end,
  };
}

/** The name of an additional record is of no interest; a pointer ends it, and is not followed. */
function endOfName(bytes: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || at - start >= NAME_BYTES_MAX) throw new Fault('a name without an end');
    if (length === 0) return at + 1;
    if (length >= POINTER) return at + 2;
    if (length > LABEL_BYTES_MAX) throw new Fault('an unknown kind of label');
    at += 1 + length;
  }
}

/** RFC 6891 section 6.1.2: the class is a size, the time to live a version and flags. */
function readEdns({ class: udpBytes, ttl, data }: RecordRead): Edns {
  for (let at = 0; at < data.length; ) {
    if (at + 4 > data.length) throw new Fault('an EDNS option without an end');
    at += 4 + data.readUInt16BE(at + 2);
    if (at > data.length) throw new Fault('an EDNS option without an end');
  }
  return { udpBytes, version: (ttl >>> 16) & 0xff, dnssecOk: (ttl & 0x8000) !== 0 };
}

/** Anything but the Internet: Chaosnet tells of servers themselves. */
export const isOfInternet = (question: Question): boolean => question.class === CLASS_IN;

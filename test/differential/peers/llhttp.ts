import { HTTPParser, methods } from 'node:_http_common';
import type { Case, Message, MessageReading, Pair } from '../message.ts';
import type { Peer } from './peer.ts';

/** What the parser has said so far about the first message. */
interface Progress {
  start: Message['start'];
  fields: Pair[];
  body: string;
  trailers: Pair[];
  inTrailers: boolean;
  complete: boolean;
}

const HEAD_BYTES_MAX = 1024 * 1024;
const NO_BODY_FOLLOWS = 1;
const ORDINARY = 0;

class Reader {
  readonly #parser = new HTTPParser();
  readonly progress: Progress = {
    start: ['', ''],
    fields: [],
    body: '',
    trailers: [],
    inTrailers: false,
    complete: false,
  };

  constructor(answerTo: string | null) {
    const type = answerTo === null ? HTTPParser.REQUEST : HTTPParser.RESPONSE;
    this.#parser.initialize(type, {}, HEAD_BYTES_MAX, HTTPParser.kLenientNone);
    this.#listen(answerTo);
  }

  /** The code of the error, or null. */
  execute(bytes: Buffer): string | null {
    const result = this.#parser.execute(bytes);
    return typeof result === 'number' ? null : result.code;
  }

  /** The connection ended. */
  finish(): void {
    this.#parser.finish();
  }

  message(end: number): MessageReading {
    const { start, fields, body, trailers, complete } = this.progress;
    return complete ? { kind: 'message', start, fields, body, trailers, end } : { kind: 'incomplete' };
  }

  /** The native side is given back at once: the collector would come too late for a fuzzer. */
  close(): void {
    this.#parser.close();
  }

  #listen(answerTo: string | null): void {
    const { progress } = this;
    const parser = this.#parser;
    // Long lists of fields come in pieces before the head is complete; trailers come the same way after it.
    parser[HTTPParser.kOnHeaders] = (flat, url) => {
      if (progress.complete) return;
      (progress.inTrailers ? progress.trailers : progress.fields).push(...pairs(flat));
      if (!progress.inTrailers && url !== '') progress.start = ['', url];
    };
    parser[HTTPParser.kOnHeadersComplete] = (_major, _minor, flat, method, url, status, reason) => {
      if (progress.complete) return ORDINARY;
      if (flat !== undefined) progress.fields.push(...pairs(flat));
      progress.inTrailers = true;
      if (answerTo === null) progress.start = [methodOf(method), url ?? progress.start[1]];
      else progress.start = [String(status), reason ?? ''];
      return answerTo === 'HEAD' ? NO_BODY_FOLLOWS : ORDINARY;
    };
    parser[HTTPParser.kOnBody] = (bytes) => {
      if (!progress.complete) progress.body += bytes.toString('latin1');
    };
    parser[HTTPParser.kOnMessageComplete] = () => {
      progress.complete = true;
    };
  }
}

/** `methods` leaves out those of other protocols, which have numbers of their own; QUERY came after them. */
const methodOf = (number = -1): string => (number === 46 ? 'QUERY' : number < 34 ? (methods[number] ?? '') : '');

const pairs = (flat: readonly string[]): Pair[] => {
  const list: Pair[] = [];
  for (let index = 0; index < flat.length; index += 2) list.push([flat[index] ?? '', flat[index + 1] ?? '']);
  return list;
};

/** Whether the first message is complete within these bytes. Once it is, more bytes do not change that. */
function isComplete(bytes: Buffer, answerTo: string | null): boolean {
  const reader = new Reader(answerTo);
  try {
    reader.execute(bytes);
    return reader.progress.complete;
  } finally {
    reader.close();
  }
}

/** The fewest bytes with which the message is complete, which the parser does not say. */
function endOf(bytes: Buffer, answerTo: string | null): number {
  let low = 1;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isComplete(bytes.subarray(0, middle), answerTo)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** As Node's own parser reads it, in this process. */
export function asLlhttpReads({ bytes: text, answerTo }: Pick<Case, 'bytes' | 'answerTo'>): MessageReading {
  const bytes = Buffer.from(text, 'latin1');
  const reader = new Reader(answerTo);
  try {
    const error = reader.execute(bytes);
    const isBounded = reader.progress.complete;
    if (!isBounded) {
      if (error !== null) return { kind: 'refused', why: error };
      if (answerTo === null) return { kind: 'incomplete' };
      reader.finish();
    }
    return reader.message(isBounded ? endOf(bytes, answerTo) : bytes.length);
  } finally {
    reader.close();
  }
}

/**
 * The same for a message of which it is known where it should end: not complete one byte before, complete with it. Null if it does not end
 * there. For a fuzzer, which has no time to search.
 */
export function asLlhttpReadsTo(
  { bytes, answerTo }: Pick<Case, 'bytes' | 'answerTo'>,
  end: number,
): MessageReading | null {
  const message = Buffer.from(bytes.slice(0, end), 'latin1');
  const reader = new Reader(answerTo);
  try {
    reader.execute(message.subarray(0, -1));
    if (reader.progress.complete) return null;
    reader.execute(message.subarray(-1));
    return reader.progress.complete ? reader.message(end) : null;
  } finally {
    reader.close();
  }
}

export const llhttp: Peer = {
  name: 'llhttp',
  version: process.versions.llhttp ?? '',
  read: (cases) => Promise.resolve(cases.map(asLlhttpReads)),
  close: () => {},
};

import { readClientHello } from '../tls/client-hello.ts';
import { TLS_HANDSHAKE } from './first-bytes.ts';
import { isStartup, readPreface } from './postgres.ts';

/** What a redirected client begins with. */
export type Speech =
  /** `sni`: as it was sent; null if it named none. */
  | { readonly kind: 'tls'; readonly sni: string | null }
  | { readonly kind: 'http' }
  | { readonly kind: 'other'; readonly why: string };

export type SpeechReading =
  | Speech
  | { readonly kind: 'need-more' }
  /** A question before TLS: take so many bytes and answer, then go on reading. */
  | { readonly kind: 'preface'; readonly bytes: number; readonly answer: Buffer };

const NEED_MORE = { kind: 'need-more' } as const;
const METHOD_LENGTH_MAX = 32;
/** Length and number, with which all messages of PostgreSQL begin that come first. */
const HEAD_BYTES = 8;

/** Tells TLS, HTTP and PostgreSQL's questions apart, by what is spoken and never by the port. */
export class SpeechReader {
  /** The client was told that TLS comes next. */
  isPostgres = false;
  #askedForGss = false;

  /** The client asked something and was answered, whatever it says next. */
  get hasAnswered(): boolean {
    return this.isPostgres || this.#askedForGss;
  }

  /** Looks at all bytes that are there. Never throws. */
  read(bytes: Buffer): SpeechReading {
    const [first] = bytes;
    if (first === undefined) return NEED_MORE;
    if (first === TLS_HANDSHAKE) return readTls(bytes);
    if (this.isPostgres) return { kind: 'other', why: 'no ClientHello follows the SSLRequest' };
    return first === 0 ? this.#readPreface(bytes) : readMethod(bytes);
  }

  #readPreface(bytes: Buffer): SpeechReading {
    const preface = readPreface(bytes);
    if (preface.kind === 'need-more' || bytes.length < HEAD_BYTES) return NEED_MORE;
    if (isStartup(bytes))
      return { kind: 'other', why: 'PostgreSQL without TLS, which names no host; use sslmode=require' };
    if (preface.kind === 'none' || (preface.kind === 'gss' && this.#askedForGss)) return UNKNOWN;
    // Whoever waits for no answer would have plain bytes taken for the first encrypted ones (CVE-2021-23214).
    if (bytes.length > preface.bytes)
      return { kind: 'other', why: 'more than its first question came from a PostgreSQL client' };
    if (preface.kind === 'ssl') this.isPostgres = true;
    else this.#askedForGss = true;
    return { kind: 'preface', bytes: preface.bytes, answer: preface.answer };
  }
}

function readTls(bytes: Buffer): SpeechReading {
  const reading = readClientHello(bytes);
  if (reading.kind === 'need-more') return NEED_MORE;
  if (reading.kind === 'refused') return { kind: 'other', why: `the ClientHello is not valid (${reading.why})` };
  return { kind: 'tls', sni: reading.sni };
}

/**
 * RFC 9112 section 3: a request begins with a token and a space. Of a line that is whole the version is looked at too: what greets with a line of
 * its own (SSH) would wait for an answer, and we for the rest of a head.
 */
function readMethod(bytes: Buffer): SpeechReading {
  const start = bytes.toString('latin1', 0, METHOD_LENGTH_MAX + 1);
  const [method = ''] = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]*/.exec(start) ?? [];
  if (method === '' || method.length > METHOD_LENGTH_MAX) return UNKNOWN;
  if (method.length === start.length) return NEED_MORE;
  if (start[method.length] !== ' ') return UNKNOWN;
  const end = bytes.indexOf('\n');
  return end < 0 || bytes.subarray(0, end).includes(' HTTP/') ? { kind: 'http' } : UNKNOWN;
}

const UNKNOWN: Speech = { kind: 'other', why: 'neither TLS nor HTTP is spoken' };

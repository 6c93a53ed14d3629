import type { ExchangeRecord } from './record.ts';

/** Longest path in a line, in bytes of UTF-8. */
export const PATH_BYTES_MAX = 1024;

/** A string with none of these is its own JSON: no quote, backslash, control character (C0, DEL, C1), line separator or surrogate. */
const ESCAPED = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/;
/** JSON lets these stand; a terminal would obey the first range, and some readers end a line at the others. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029]/g;

/**
 * One audit line (contract section 8), newline included: the fields of `AUDIT_SCHEMA` in its order, all of them always present,
 * so that `jq` never meets a missing key. Written out by hand, since every line of every request passes here: 0.8 µs, where a
 * serialiser compiled from the schema takes 1.0 and `JSON.stringify` 1.1.
 * @param endedAtMs wall clock at its end: one that is stepped meanwhile tells nothing of how long it took
 */
export function auditLine(record: ExchangeRecord, durationMs: number, endedAtMs: number): string {
  return `{"level":30,"time":"${timestamp(endedAtMs)}","id":${text(record.id)},"generation":${
    record.generation
  },"sandbox":${orNull(record.sandbox)},"client":${text(record.client)},"listener":${text(record.listener)},"ingress":"${
    record.ingress
  }","protocol":"${record.protocol}","method":${orNull(record.method)},"scheme":${orNull(record.scheme)},"host":${orNull(
    record.host,
  )},"port":${record.port},"path":${orNull(cut(record.path))},"rule":${orNull(record.rule)},"decision":"${
    record.decision
  }","code":${orNull(record.code)},"reason":${orNull(record.reason)},"injected":${list(record.injected)},"scrubbed":${
    record.scrubbed
  },"address":${orNull(record.address)},"status":${record.status},"bytes_in":${record.bytesIn},"bytes_out":${
    record.bytesOut
  },"duration_ms":${milliseconds(durationMs)},"tls":${orNull(record.tls)}}\n`;
}

/** A JSON string: control characters escaped, lone surrogates as `\udXXX` (RFC 8259 section 8.2), so that a line is always one line. */
export function text(value: string): string {
  if (!ESCAPED.test(value)) return `"${value}"`;
  return JSON.stringify(value).replace(UNSAFE, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** With three decimals, from whole microseconds: printing a fraction costs several times as much as two whole numbers. */
function milliseconds(durationMs: number): string {
  const us = Math.round(durationMs * 1000);
  const rest = us % 1000;
  return `${(us - rest) / 1000}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`;
}

const orNull = (value: string | null): string => (value === null ? 'null' : text(value));

function list(values: readonly string[]): string {
  if (values.length === 0) return '[]';
  return `[${values.map(text).join(',')}]`;
}

function cut(path: string | null): string | null {
  // A UTF-16 unit takes at most three bytes of UTF-8.
  if (path === null || path.length * 3 <= PATH_BYTES_MAX) return path;
  const bytes = Buffer.from(path);
  if (bytes.length <= PATH_BYTES_MAX) return path;
  let end = PATH_BYTES_MAX;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

let secondMs = 0;
let secondText = '';

/** RFC 3339 with milliseconds. The part up to the second is made once a second: `toISOString` costs as much as half a line. */
export function timestamp(atMs: number): string {
  const wholeMs = Math.floor(atMs);
  const startMs = wholeMs - (wholeMs % 1000);
  if (startMs !== secondMs || secondText === '') {
    secondText = new Date(startMs).toISOString().slice(0, 20);
    secondMs = startMs;
  }
  const ms = wholeMs - startMs;
  return `${secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
}

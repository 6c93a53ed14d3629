import { CATALOGUE, type ProxyError } from '../errors.ts';
import { type Field, field } from '../headers/field-list.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import type { ClientRequest } from './client-request.ts';
import { quotaFields } from './rate-limit-fields.ts';

/** Seconds after which trying again is worth it, for answers that are about our own state. */
const RETRY_AFTER_S = '1';
const RETRY_CODES: ReadonlySet<string> = new Set(['OVERLOADED', 'DRAINING']);

/**
 * Tells the client what went wrong (contract section 5), in a form that a person, a program or a model can act on. Built of canonical data
 * only: no secret, no upstream text, none of the client's bytes but what was canonicalised.
 */
export function reply(client: ClientRequest, record: ExchangeRecord, error: ProxyError): void {
  record.status = error.status;
  const body = Buffer.from(errorBody(record, error));
  const isHead = client.head.kind === 'request' && client.head.method === 'HEAD';
  const fields = [
    ...errorFields(record, error),
    field('Content-Type', 'application/json'),
    field('Content-Length', String(body.length)),
  ];
  const sink = client.sendHead({
    status: error.status,
    reason: error.code,
    fields,
    length: isHead ? 'none' : 'declared',
    // A connection that is one too many is not kept.
    last: RETRY_CODES.has(error.code),
  });
  if (!isHead) sink.write(body);
  sink.end([]);
}

/** The head of a refused CONNECT. Most clients show nothing but its reason phrase, so code and hint stand there. */
export function refusedConnect(
  record: ExchangeRecord,
  error: ProxyError,
): { readonly reason: string; readonly fields: Field[] } {
  return { reason: printable(`${error.code}: ${error.hint}`), fields: errorFields(record, error) };
}

export function errorBody(record: ExchangeRecord, error: ProxyError): string {
  const { code, reason, hint } = error;
  const detail = { code, message: reason, host: record.host, rule: record.rule, hint, id: record.id };
  return `${JSON.stringify({ error: detail })}\n`;
}

function errorFields(record: ExchangeRecord, error: ProxyError): Field[] {
  const fields = [
    field('X-Postern-Error', error.code),
    field('X-Postern-Id', record.id),
    // RFC 9209 section 2: who answered, and the registered error type.
    field('Proxy-Status', `postern; error=${CATALOGUE[error.code].proxyStatus}; details="${error.code}"`),
  ];
  // RFC 9110 section 15.5.6.
  if (error.code === 'METHOD_NOT_ALLOWED') fields.push(field('Allow', 'GET, HEAD'));
  if (error.code === 'TOKEN_REQUIRED') fields.push(field('Proxy-Authenticate', 'Basic realm="postern"'));
  if (RETRY_CODES.has(error.code)) fields.push(field('Retry-After', RETRY_AFTER_S));
  if (error.quota !== null) fields.push(...quotaFields(error.quota));
  return fields;
}

/** A reason phrase has VCHAR, SP and HTAB (RFC 9112 section 4); ours keeps to ASCII. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');

import type { HeadLimits } from '../http1/head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { type Refused, refused } from '../http1/syntax.ts';
import { type RawFields, readFields } from './raw-fields.ts';

const STATUS = /^[1-9][0-9]{2}$/;

/** A response head of HTTP/2 (RFC 9113 section 8.3.2), interim ones included. It has no reason phrase. */
export function readResponseHead(raw: RawFields, limits: HeadLimits): ResponseHead | Refused {
  const read = readFields(raw, limits);
  if ('kind' in read) return read;
  const [status, ...others] = read.pseudo;
  if (status?.lower !== ':status' || others.length > 0 || !STATUS.test(status.value))
    return refused('invalid', 'the response head has no status of three digits');
  // RFC 9113 section 8.6: there is nothing to switch to.
  if (status.value === '101') return refused('invalid', 'an answer 101 in HTTP/2');
  return { kind: 'response', version: '2', status: Number(status.value), reason: '', fields: read.fields };
}

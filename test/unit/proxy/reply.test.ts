import { describe, expect, it } from 'vitest';
import { CATALOGUE, type Code, ProxyError, type Quota } from '../../../src/errors.ts';
import { field } from '../../../src/headers/field-list.ts';
import type { AnswerHead, ClientRequest } from '../../../src/proxy/client-request.ts';
import { errorBody, refusedConnect, reply } from '../../../src/proxy/reply.ts';
import { exchangeRecord } from '../../support/record.ts';

const CODES = Object.keys(CATALOGUE) as Code[];

/** A client that keeps what it was told. */
function client(method: string): ClientRequest & { readonly told: { head: AnswerHead | null; body: string } } {
  const told: { head: AnswerHead | null; body: string } = { head: null, body: '' };
  const nothing = (): void => {};
  return {
    told,
    protocol: 'h1',
    head: { kind: 'request', method, target: '/', version: '1.1', fields: [field('Host', 'a.test')] },
    startedMs: 0,
    gone: false,
    bodyTaken: true,
    headSent: false,
    framing: () => ({ kind: 'none' }),
    body: () => null,
    onAbort: nothing,
    sendInterim: nothing,
    cutOff: nothing,
    takeOver: () => null,
    sendHead: (head) => {
      told.head = head;
      return {
        write: (bytes) => {
          told.body += bytes.toString();
          return true;
        },
        whenDrained: nothing,
        flush: nothing,
        end: nothing,
      };
    },
  };
}

describe('the reply to', () => {
  it.each(CODES)('%s has the shape of the contract', (code) => {
    const record = exchangeRecord({ id: 'id-1', host: 'a.test', rule: 'one' });
    const error = new ProxyError(code, { stage: 'decide', side: 'client', reason: 'because "x"' });
    const asked = client('GET');
    reply(asked, record, error);
    const { head, body } = asked.told;
    const fields = Object.fromEntries((head?.fields ?? []).map(({ lower, value }) => [lower, value]));
    expect(head).toMatchObject({ status: CATALOGUE[code].status, reason: code, length: 'declared' });
    expect(fields).toMatchObject({
      'x-postern-error': code,
      'x-postern-id': 'id-1',
      'proxy-status': `postern; error=${CATALOGUE[code].proxyStatus}; details="${code}"`,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    });
    expect(JSON.parse(body)).toEqual({
      error: { code, message: 'because "x"', host: 'a.test', rule: 'one', hint: CATALOGUE[code].hint, id: 'id-1' },
    });
    expect('proxy-authenticate' in fields).toBe(code === 'TOKEN_REQUIRED');
    expect(record.status).toBe(CATALOGUE[code].status);
  });

  it.each(CODES)('a CONNECT with %s says code and hint in one printable line', (code) => {
    const error = new ProxyError(code, { stage: 'tunnel', side: 'client', hint: 'one\r\ntwo \u2026 three' });
    const { reason } = refusedConnect(exchangeRecord(), error);
    expect(reason).toBe(`${code}: one??two ? three`);
  });

  it('HEAD has no body, and its length all the same', () => {
    const asked = client('HEAD');
    reply(asked, exchangeRecord(), new ProxyError('HOST_DENIED', { stage: 'decide', side: 'client' }));
    expect([asked.told.head?.length, asked.told.body]).toEqual(['none', '']);
  });

  it.each<[Quota, string, string, string]>([
    [
      { limit: 'requests', amount: 600, available: 0, windowS: 60, retryAfterS: 3 },
      '3',
      '"requests";q=600;w=60',
      '"requests";r=0;t=3',
    ],
    [
      { limit: 'bytes_out', amount: 1024, available: 17, windowS: 86_400, retryAfterS: 900 },
      '900',
      '"bytes_out";q=1024;qu="content-bytes";w=86400',
      '"bytes_out";r=17;t=900',
    ],
    [
      { limit: 'concurrency', amount: 20, available: 0, windowS: null, retryAfterS: 1 },
      '1',
      '"concurrency";q=20;qu="concurrent-requests"',
      '"concurrency";r=0',
    ],
  ])('a quota that is used up says when it has room again: $limit', (quota, retryAfter, policy, left) => {
    const error = new ProxyError('RATE_LIMITED', { stage: 'decide', side: 'client', quota });
    const asked = client('GET');
    reply(asked, exchangeRecord(), error);
    const told = asked.told.head?.fields.map(({ name, value }) => [name, value]);
    for (const fields of [
      told,
      refusedConnect(exchangeRecord(), error).fields.map(({ name, value }) => [name, value]),
    ]) {
      expect(fields?.filter(([name]) => name?.startsWith('R'))).toEqual([
        ['Retry-After', retryAfter],
        ['RateLimit-Policy', policy],
        ['RateLimit', left],
      ]);
    }
    expect(asked.told.head?.last).toBe(false);
  });

  it('only a missing token is 407', () => {
    expect(CODES.filter((code) => CATALOGUE[code].status === 407)).toEqual(['TOKEN_REQUIRED']);
    expect(
      errorBody(
        exchangeRecord(),
        new ProxyError('INTERNAL', { stage: 'relay', side: 'proxy', cause: new Error('upstream text') }),
      ),
    ).not.toContain('upstream text');
  });
});

import { expect, it } from 'vitest';
import { CATALOGUE, type Code } from '../../../src/errors.ts';
import { REPLY, replyBytes, replyOf } from '../../../src/socks5/answers.ts';

/** Every code that is not a matter of the ruleset; what is not listed is `notAllowed`. */
const OTHERS: Readonly<Partial<Record<Code, keyof typeof REPLY>>> = {
  REQUEST_INVALID: 'failure',
  TARGET_INVALID: 'failure',
  FRAMING_INVALID: 'failure',
  HEADERS_AMBIGUOUS: 'failure',
  PATH_AMBIGUOUS: 'failure',
  REQUEST_TIMEOUT: 'ttlExpired',
  CONNECT_TIMEOUT: 'ttlExpired',
  HEAD_TIMEOUT: 'ttlExpired',
  IDLE_TIMEOUT: 'ttlExpired',
  DNS_FAILED: 'hostUnreachable',
  CONNECT_FAILED: 'refused',
  INTERNAL: 'failure',
  TLS_UNTRUSTED: 'failure',
  TLS_FAILED: 'failure',
  UPSTREAM_RESET: 'failure',
  RESPONSE_INVALID: 'failure',
  SECRET_UNAVAILABLE: 'failure',
  POLICY_UNAVAILABLE: 'failure',
  OVERLOADED: 'failure',
  DRAINING: 'failure',
};

it.each(Object.entries(CATALOGUE))('%s has its reply', (code, { status }) => {
  // As the keys of the catalogue are.
  const name = code as Code;
  expect(replyOf(name, status, 'UNKNOWN')).toBe(REPLY[OTHERS[name] ?? 'notAllowed']);
});

it.each([
  ['ECONNREFUSED', 5],
  ['ENETUNREACH', 3],
  ['EHOSTUNREACH', 4],
  ['ETIMEDOUT', 6],
])('a connection that fails with %s is reply %i', (code, reply) => {
  expect(replyOf('CONNECT_FAILED', 502, code)).toBe(reply);
});

it('says nothing of where we connect from', () => {
  expect([...replyBytes(REPLY.succeeded)]).toEqual([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
});

import { describe, expect, it } from 'vitest';
import { accessProblem, type Caller, type Need } from '../../../src/observe/admin-access.ts';

const LOOPBACK = { isUnix: false, remoteAddress: '127.0.0.1', localAddress: '127.0.0.1' };
const REMOTE = { isUnix: false, remoteAddress: '10.0.0.9', localAddress: '10.0.0.1' };
const UNIX = { isUnix: true, remoteAddress: '', localAddress: '' };
const isToken = (text: string): boolean => text === 'right';

const ask = (
  from: Omit<Caller, 'headers'>,
  headers: Record<string, string>,
  need: Need,
  token: typeof isToken | null = isToken,
): number | null => accessProblem({ ...from, headers }, need, token)?.status ?? null;

describe('access to the admin listener', () => {
  it.each<[string, Omit<Caller, 'headers'>, Record<string, string>, Need, number | null]>([
    ['a read from loopback', LOOPBACK, { host: '127.0.0.1:9464' }, 'read', null],
    ['a read from loopback by name', LOOPBACK, { host: 'localhost:9464' }, 'read', null],
    ['a read by a forwarded port', LOOPBACK, { host: 'localhost:19464' }, 'read', null],
    [
      'a read over IPv6',
      { isUnix: false, remoteAddress: '::1', localAddress: '::1' },
      { host: '[::1]:9464' },
      'read',
      null,
    ],
    [
      'a read on a dual-stack listener',
      { isUnix: false, remoteAddress: '::ffff:127.0.0.1', localAddress: '::ffff:127.0.0.1' },
      { host: '127.0.0.1:9464' },
      'read',
      null,
    ],
    ['a change from loopback without token', LOOPBACK, { host: '127.0.0.1:9464' }, 'change', 401],
    [
      'a change from loopback with the token',
      LOOPBACK,
      { host: '127.0.0.1', authorization: 'Bearer right' },
      'change',
      null,
    ],
    [
      'a wrong token, even where none is needed',
      LOOPBACK,
      { host: '127.0.0.1', authorization: 'Bearer wrong' },
      'read',
      401,
    ],
    ['a token as Basic', REMOTE, { host: '10.0.0.1', authorization: 'Basic right' }, 'read', 401],
    ['a read from elsewhere without token', REMOTE, { host: '10.0.0.1:9464' }, 'read', 401],
    [
      'a read from elsewhere with the token',
      REMOTE,
      { host: '10.0.0.1:9464', authorization: 'bearer right' },
      'read',
      null,
    ],
    ['a probe from elsewhere', REMOTE, { host: '10.0.0.1:9464' }, 'open', null],
    ['a change by a Unix socket', UNIX, { host: 'anything' }, 'change', null],
    ['a read without Host', LOOPBACK, {}, 'read', 421],
    ["a page's own name after DNS rebinding", LOOPBACK, { host: 'evil.example:9464' }, 'read', 421],
    ['a probe after DNS rebinding', LOOPBACK, { host: 'evil.example:9464' }, 'open', 421],
    ['another address of ours', LOOPBACK, { host: '10.0.0.1:9464' }, 'read', 421],
    ['a service name with the token', REMOTE, { host: 'postern:9464', authorization: 'Bearer right' }, 'read', null],
    ['a foreign page', LOOPBACK, { host: 'localhost:9464', origin: 'https://evil.example' }, 'read', 403],
    ['a sandboxed page', LOOPBACK, { host: 'localhost:9464', origin: 'null' }, 'read', 403],
    [
      'a foreign page with the token',
      REMOTE,
      { host: '10.0.0.1', origin: 'http://x', authorization: 'Bearer right' },
      'read',
      403,
    ],
    [
      'a page that names us as its origin on another port',
      LOOPBACK,
      { host: 'localhost:9464', origin: 'http://localhost:3000' },
      'read',
      403,
    ],
    ['an image on a foreign page', LOOPBACK, { host: 'localhost:9464', 'sec-fetch-site': 'cross-site' }, 'read', 403],
    [
      'our own page',
      LOOPBACK,
      { host: 'localhost:9464', origin: 'http://localhost:9464', 'sec-fetch-site': 'same-origin' },
      'read',
      null,
    ],
    ['an address typed by a person', LOOPBACK, { host: 'localhost:9464', 'sec-fetch-site': 'none' }, 'read', null],
  ])('%s: %#', (_, from, headers, need, expected) => {
    expect(ask(from, headers, need)).toBe(expected);
  });

  it('gives nobody but loopback anything while no token is configured', () => {
    expect(ask(REMOTE, { host: '10.0.0.1' }, 'read', null)).toBe(403);
    expect(ask(REMOTE, { host: '10.0.0.1', authorization: 'Bearer right' }, 'read', null)).toBe(401);
    expect(ask(LOOPBACK, { host: '127.0.0.1' }, 'read', null)).toBe(null);
    expect(ask(LOOPBACK, { host: '127.0.0.1' }, 'change', null)).toBe(403);
  });
});

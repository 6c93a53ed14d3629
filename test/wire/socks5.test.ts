import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { Inbox } from '../../src/http1/inbox.ts';
import { type SocksMessage, SocksReader } from '../../src/socks5/reader.ts';
import { BOTH, byIpv4, byIpv6, byName, credentials, LOOPBACK_SIX, NO_AUTH, PASSWORD } from '../support/socks.ts';

/** Every message of a client that is told `method`, and what is left behind the last; `pieces` as they arrive. */
function read(pieces: readonly string[], method: 'none' | 'password'): { messages: SocksMessage[]; rest: string } {
  const reader = new SocksReader();
  const inbox = new Inbox();
  const messages: SocksMessage[] = [];
  for (const piece of pieces) {
    if (piece !== '') inbox.push(Buffer.from(piece, 'latin1'));
    for (let message = reader.next(inbox); message !== null; message = reader.next(inbox)) {
      messages.push(message);
      if (message.kind === 'greeting') reader.choose(method);
      if (message.kind === 'refused') break;
    }
    if (messages.at(-1)?.kind === 'refused') break;
  }
  return { messages, rest: inbox.peek().toString('latin1') };
}

const last = (bytes: string, method: 'none' | 'password' = 'none'): SocksMessage | undefined =>
  read([bytes], method).messages.at(-1);

describe('a greeting', () => {
  it.each([
    ['no authentication', NO_AUTH, true, false],
    ['user and password', PASSWORD, false, true],
    ['both', BOTH, true, true],
    ['both and GSSAPI', '\x05\x03\x01\x02\x00', true, true],
    ['GSSAPI alone', '\x05\x01\x01', false, false],
    ['nothing', '\x05\x00', false, false],
    [
      'all 255 methods',
      `\x05\xff${Array.from({ length: 255 }, (_, at) => String.fromCharCode(at)).join('')}`,
      true,
      true,
    ],
  ])('offers %s', (_name, bytes, offersNone, offersPassword) => {
    expect(last(bytes)).toEqual({ kind: 'greeting', offersNone, offersPassword });
  });

  it.each([
    ['of SOCKS4', '\x04\x01\x01\xbb\x7f\x00\x00\x01\x00'],
    ['of HTTP', 'GET / HTTP/1.1\r\n\r\n'],
    ['of TLS', '\x16\x03\x01'],
    ['of version 0', '\x00'],
  ])('is refused by its first byte: %s', (_name, bytes) => {
    expect(last(bytes)).toMatchObject({ kind: 'refused', part: 'message' });
    expect(last(bytes.slice(0, 1))).toMatchObject({ kind: 'refused', part: 'message' });
  });
});

describe('user and password', () => {
  it.each([
    ['plain', 'vm-42', 'token-0123456789'],
    ['empty', '', ''],
    ['as long as they can be', 'u'.repeat(255), 'p'.repeat(255)],
    ['with bytes of messages in them', '\x05\x01\x00', '\x01\x00'],
  ])('are read: %s', (_name, username, password) => {
    expect(last(PASSWORD + credentials(username, password), 'password')).toEqual({
      kind: 'credentials',
      username,
      password,
    });
  });

  it('are UTF-8, as in Basic', () => {
    const name = Buffer.from('häuser').toString('latin1');
    expect(last(PASSWORD + credentials(name, 'x'), 'password')).toMatchObject({ username: 'häuser' });
  });

  it('are refused in another version than their own', () => {
    expect(last(`${PASSWORD}\x05\x01a\x01b`, 'password')).toMatchObject({ kind: 'refused', part: 'message' });
  });
});

describe('a request', () => {
  it.each([
    ['by name', byName('api.example.com', 443), 'connect', 'api.example.com', 443],
    ['by a name as it came', byName('API.Example.COM.', 443), 'connect', 'API.Example.COM.', 443],
    ['by a name with NUL', byName('a\0b', 443), 'connect', 'a\0b', 443],
    ['by an empty name', byName('', 443), 'connect', '', 443],
    ['by a name of 255 bytes', byName('x'.repeat(255), 1), 'connect', 'x'.repeat(255), 1],
    ['by IPv4', byIpv4('10.1.2.3', 5432), 'connect', '10.1.2.3', 5432],
    ['by IPv6', byIpv6(LOOPBACK_SIX, 65_535), 'connect', '[::1]', 65_535],
    ['by mapped IPv6', byIpv6([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], 80), 'connect', '[::ffff:127.0.0.1]', 80],
    ['to port 0', byName('a.test', 0), 'connect', 'a.test', 0],
    ['to bind', byIpv4('1.2.3.4', 1, 2), 'bind', '1.2.3.4', 1],
    ['for UDP', byIpv4('0.0.0.0', 0, 3), 'udp-associate', '0.0.0.0', 0],
    ['for something else', byName('a.test', 1, 0xf0), 'unknown', 'a.test', 1],
  ])('is read: %s', (_name, bytes, command, host, port) => {
    expect(last(NO_AUTH + bytes)).toEqual({ kind: 'request', command, host, port });
  });

  it.each([
    ['another version', '\x04\x01\x00\x01\x7f\x00\x00\x01\x00\x50', 'message'],
    ['a reserved byte that is not zero', '\x05\x01\x01\x01\x7f\x00\x00\x01\x00\x50', 'message'],
    ['an address of no type', '\x05\x01\x00\x00\x7f\x00\x00\x01\x00\x50', 'address'],
    ['an address of another type', '\x05\x01\x00\x02', 'address'],
  ])('is refused: %s', (_name, bytes, part) => {
    expect(last(NO_AUTH + bytes)).toMatchObject({ kind: 'refused', part });
  });

  it('leaves what follows it to the tunnel', () => {
    expect(read([`${NO_AUTH}${byName('a.test', 443)}\x16\x03\x01`], 'none').rest).toBe('\x16\x03\x01');
  });

  it('is not read before the method is chosen, nor before user and password', () => {
    const inbox = new Inbox();
    inbox.push(Buffer.from(BOTH + byName('a.test', 443), 'latin1'));
    const reader = new SocksReader();
    expect(reader.next(inbox)).toMatchObject({ kind: 'greeting' });
    expect(reader.next(inbox)).toBeNull();
    reader.choose('password');
    expect(reader.next(inbox)).toMatchObject({ kind: 'refused' });
    reader.choose('none');
    expect(reader.next(inbox)).toMatchObject({ kind: 'refused' });
  });
});

const byteText = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 40,
});
const port = fc.integer({ min: 0, max: 0xffff });
const group = fc.integer({ min: 0, max: 0xffff });
const request = fc.oneof(
  fc.tuple(byteText, port, fc.integer({ min: 0, max: 255 })).map(([host, at, command]) => byName(host, at, command)),
  fc.tuple(fc.ipV4(), port).map(([host, at]) => byIpv4(host, at)),
  fc.tuple(fc.array(group, { minLength: 8, maxLength: 8 }), port).map(([groups, at]) => byIpv6(groups, at)),
);
const conversation = fc.oneof(
  fc.tuple(request, byteText).map(([asked, rest]) => ({ bytes: NO_AUTH + asked + rest, method: 'none' as const })),
  fc.tuple(byteText, byteText, request).map(([user, password, asked]) => ({
    bytes: BOTH + credentials(user, password) + asked,
    method: 'password' as const,
  })),
  fc
    .tuple(byteText, fc.constantFrom('none' as const, 'password' as const))
    .map(([bytes, method]) => ({ bytes, method })),
);

/** The text cut before each of these places. */
const cutAt = (text: string, places: readonly number[]): string[] => {
  const sorted = [
    0,
    ...places.map((place) => place % (text.length + 1)).sort((one, other) => one - other),
    text.length,
  ];
  return sorted.slice(1).map((end, at) => text.slice(sorted[at], end));
};

test('the same messages are read, however they are split over reads', () => {
  fc.assert(
    fc.property(conversation, fc.array(fc.nat(), { maxLength: 12 }), ({ bytes, method }, places) => {
      const whole = read([bytes], method);
      const split = read(cutAt(bytes, places), method);
      expect(split.messages).toEqual(whole.messages);
      if (whole.messages.at(-1)?.kind !== 'refused') expect(split.rest).toBe(whole.rest);
    }),
    { numRuns: 1_000 },
  );
});

test('what is written is what is read', () => {
  fc.assert(
    fc.property(byteText, port, (host, at) => {
      expect(last(NO_AUTH + byName(host, at))).toEqual({ kind: 'request', command: 'connect', host, port: at });
    }),
  );
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { type ClientHelloFault, readClientHello } from '../../../src/tls/client-hello.ts';
import {
  alpn,
  extension,
  hello,
  helloMessage,
  inRecords,
  serverNames,
  u16,
  vector16,
  versions,
} from '../../support/hello-bytes.ts';
import { isInstalled } from './tools.ts';

const NEED_MORE = { kind: 'need-more' };
const refused = (why: ClientHelloFault) => ({ kind: 'refused', why });

describe('a hello', () => {
  test('names the host, the protocols and the versions', () => {
    const extensions = [serverNames([0, 'api.example.com']), alpn('h2', 'http/1.1'), versions(0x0304, 0x0303)];
    expect(readClientHello(hello({ extensions }))).toEqual({
      kind: 'hello',
      sni: 'api.example.com',
      alpn: ['h2', 'http/1.1'],
      versions: [0x0304, 0x0303],
      ech: false,
    });
  });

  test.each([
    ['none at all', null],
    ['an empty list of them', []],
  ])('may have no extensions: %s', (_, extensions) => {
    const expected = { kind: 'hello', sni: null, alpn: [], versions: [0x0302], ech: false };
    expect(readClientHello(hello({ extensions, legacyVersion: 0x0302 }))).toEqual(expected);
  });

  test('with GREASE everywhere is read past it (RFC 8701)', () => {
    const grease = extension(0x1a1a, Buffer.alloc(0));
    const other = extension(0xfafa, Buffer.from([0]));
    const extensions = [grease, serverNames([0, 'a.example']), versions(0x2a2a, 0x0304), alpn('\x0a\x0a', 'h2'), other];
    const read = readClientHello(hello({ extensions, cipherSuites: Buffer.from('aaaa1301', 'hex') }));
    expect(read).toMatchObject({ sni: 'a.example', versions: [0x0304], alpn: ['\x0a\x0a', 'h2'] });
  });

  test('with encrypted client hello says so, and the outer name is the name', () => {
    const extensions = [serverNames([0, 'outer.example']), extension(0xfe0d, Buffer.alloc(40))];
    expect(readClientHello(hello({ extensions }))).toMatchObject({ sni: 'outer.example', ech: true });
  });

  test('keeps the name as it was sent', () => {
    expect(readClientHello(hello({ extensions: [serverNames([0, 'API.Example.COM.'])] }))).toMatchObject({
      sni: 'API.Example.COM.',
    });
  });

  test.each([0x0300, 0x0301, 0x0303, 0x03ff])('is read whatever the minor version of its record is: %i', (version) => {
    expect(readClientHello(inRecords(helloMessage(), undefined, version))).toMatchObject({ kind: 'hello' });
  });

  test.each([3, 4, 5, 40, 100])('may be cut into records of %i bytes', (bytesEach) => {
    expect(readClientHello(hello({}, bytesEach))).toEqual(readClientHello(hello()));
  });

  test('may be 64 KiB long, in records as small as OpenSSL makes them', () => {
    const base = helloMessage().length;
    const padding = extension(21, Buffer.alloc(65_536 - base - 4));
    const message = helloMessage({ extensions: [serverNames([0, 'api.example.com']), padding] });
    expect(message).toHaveLength(65_536);
    expect(readClientHello(inRecords(message, 512))).toMatchObject({ sni: 'api.example.com' });
  });

  test('may be followed by records at once', () => {
    const earlyData = Buffer.concat([Buffer.from('1703030010', 'hex'), Buffer.alloc(16)]);
    expect(readClientHello(Buffer.concat([hello(), earlyData]))).toMatchObject({ kind: 'hello' });
  });
});

describe('one byte at a time', () => {
  test.each([
    ['in one record', hello()],
    ['in records of seven bytes', hello({}, 7)],
  ])('more is needed until the last byte is there: %s', (_, bytes) => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(readClientHello(bytes.subarray(0, length))).toEqual(NEED_MORE);
    }
    expect(readClientHello(bytes)).toMatchObject({ sni: 'api.example.com' });
  });
});

/** The message of a hello with its last extension replaced by raw bytes. */
const withExtensions = (bytes: Buffer): Buffer => inRecords(helloMessage({ extensions: null, tail: bytes }));

const LONG = Buffer.alloc(65_000);

const REFUSED: readonly (readonly [string, Buffer, ClientHelloFault])[] = [
  ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n'), 'not-tls'],
  ['an HTTP/2 preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'not-tls'],
  ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), 'not-tls'],
  ['the hello of SSL 2', Buffer.from('802e0103010015000000100100800300', 'hex'), 'not-tls'],
  ['an alert', Buffer.from('15030300020228', 'hex'), 'not-tls'],
  ['application data', Buffer.from('1703030001', 'hex'), 'not-tls'],
  ['a major version that is not of TLS', Buffer.from('1602', 'hex'), 'not-tls'],
  ['a ServerHello', Buffer.from('160303000402', 'hex'), 'not-tls'],
  ['an empty record', Buffer.from('1603010000', 'hex'), 'record'],
  ['a record over 2^14 bytes', Buffer.from('1603014001', 'hex'), 'record'],
  ['another type between its records', Buffer.concat([hello({}, 10).subarray(0, 15), Buffer.from([21])]), 'record'],
  [
    'another version between its records',
    Buffer.concat([hello({}, 10).subarray(0, 15), Buffer.from('1602', 'hex')]),
    'record',
  ],
  ['a message over 64 KiB', Buffer.from('160301400001010000', 'hex'), 'too-large'],
  ['a message of 16 MiB', Buffer.from('160301000401ffffff', 'hex'), 'too-large'],
  [
    'more than 128 records',
    inRecords(helloMessage({ extensions: [extension(21, LONG.subarray(0, 100))] }), 1),
    'too-large',
  ],
  ['more in its record than itself', inRecords(Buffer.concat([helloMessage(), Buffer.from([0])])), 'malformed'],
  ['a second message in its record', inRecords(Buffer.concat([helloMessage(), helloMessage()])), 'malformed'],
  ['bytes after its extensions', hello({ tail: Buffer.from([0]) }), 'malformed'],
  ['a legacy version that is not of TLS', hello({ legacyVersion: 0x0200 }), 'malformed'],
  ['a session id over 32 bytes', hello({ sessionId: Buffer.alloc(33) }), 'malformed'],
  ['no cipher suites', hello({ cipherSuites: Buffer.alloc(0) }), 'malformed'],
  ['half a cipher suite', hello({ cipherSuites: Buffer.alloc(3) }), 'malformed'],
  ['no compression method', hello({ compression: Buffer.alloc(0) }), 'malformed'],
  ['nothing in it', inRecords(Buffer.from('01000000', 'hex')), 'malformed'],
  ['extensions shorter than announced', withExtensions(Buffer.from('000500', 'hex')), 'malformed'],
  ['extensions longer than announced', withExtensions(Buffer.from('000000', 'hex')), 'malformed'],
  ['an extension that runs past the list', withExtensions(vector16(Buffer.from('00170001', 'hex'))), 'malformed'],
  ['an extension of one byte', withExtensions(vector16(Buffer.from([0]))), 'malformed'],
  ['an extension twice', hello({ extensions: [alpn('h2'), alpn('h2')] }), 'duplicate-extension'],
  [
    'two server_name extensions',
    hello({ extensions: [serverNames([0, 'a.example']), serverNames([0, 'b.example'])] }),
    'duplicate-extension',
  ],
  [
    'an unknown extension twice',
    hello({ extensions: [extension(999, LONG.subarray(0, 9)), extension(999, LONG.subarray(0, 1))] }),
    'duplicate-extension',
  ],
  ['two names', hello({ extensions: [serverNames([0, 'a.example'], [0, 'b.example'])] }), 'server-name'],
  ['a name of another type', hello({ extensions: [serverNames([1, 'a.example'])] }), 'server-name'],
  [
    'a name of another type after the host name',
    hello({ extensions: [serverNames([0, 'a.example'], [7, 'b.example'])] }),
    'server-name',
  ],
  ['an empty name', hello({ extensions: [serverNames([0, ''])] }), 'server-name'],
  ['a name with a NUL', hello({ extensions: [serverNames([0, 'a.example\0.evil.example'])] }), 'server-name'],
  ['a name with a newline', hello({ extensions: [serverNames([0, 'a.example\n'])] }), 'server-name'],
  ['a name with a space', hello({ extensions: [serverNames([0, 'a .example'])] }), 'server-name'],
  ['a name that is not ASCII', hello({ extensions: [serverNames([0, 'b\xfccher.example'])] }), 'server-name'],
  ['an empty server_name list', hello({ extensions: [serverNames()] }), 'malformed'],
  ['an empty server_name extension', hello({ extensions: [extension(0, Buffer.alloc(0))] }), 'malformed'],
  [
    'a server_name list with bytes after it',
    hello({ extensions: [extension(0, Buffer.concat([vector16(Buffer.from('00000161', 'hex')), Buffer.from([0])]))] }),
    'malformed',
  ],
  [
    'a name that runs past its list',
    hello({ extensions: [extension(0, vector16(Buffer.concat([Buffer.from([0]), u16(9), Buffer.from('abc')])))] }),
    'malformed',
  ],
  ['an empty ALPN list', hello({ extensions: [alpn()] }), 'malformed'],
  ['an empty ALPN name', hello({ extensions: [alpn('h2', '')] }), 'malformed'],
  ['no versions in supported_versions', hello({ extensions: [versions()] }), 'malformed'],
  ['half a version', hello({ extensions: [extension(43, Buffer.from('03030403', 'hex'))] }), 'malformed'],
];

describe('refused is', () => {
  test.each(REFUSED)('%s', (_, bytes, why) => {
    expect(readClientHello(bytes)).toEqual(refused(why));
  });

  test('what cannot become a hello, at its first byte', () => {
    for (let first = 0; first < 256; first += 1) {
      expect(readClientHello(Buffer.from([first]))).toEqual(first === 22 ? NEED_MORE : refused('not-tls'));
    }
  });
});

/** The first bytes that a client sends to a server which never answers. */
async function bytesOf(start: (port: number) => void): Promise<Buffer> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  start((server.address() as AddressInfo).port);
  const [socket] = (await once(server, 'connection')) as [Socket];
  socket.on('error', () => undefined);
  let bytes = Buffer.alloc(0);
  while (readClientHello(bytes).kind === 'need-more') {
    const [part] = (await once(socket, 'data')) as [Buffer];
    bytes = Buffer.concat([bytes, part]);
  }
  socket.destroy();
  server.close();
  return bytes;
}

const run = (program: string, ...args: readonly string[]) =>
  spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] }).stdin.end();

const CLIENTS: readonly (readonly [string, boolean, (port: number) => void, object])[] = [
  [
    'Node',
    true,
    (port) =>
      connect({ host: '127.0.0.1', port, servername: 'a.example', ALPNProtocols: ['h2'] }).on('error', () => undefined),
    { sni: 'a.example', alpn: ['h2'] },
  ],
  [
    'curl',
    isInstalled('curl'),
    (port) => run('curl', '-s', '--resolve', `a.example:${port}:127.0.0.1`, `https://a.example:${port}/`),
    { sni: 'a.example' },
  ],
  [
    'openssl',
    isInstalled('openssl', 'version'),
    (port) =>
      run('openssl', 's_client', '-connect', `127.0.0.1:${port}`, '-servername', 'a.example', '-alpn', 'x,http/1.1'),
    { sni: 'a.example', alpn: ['x', 'http/1.1'] },
  ],
  [
    'openssl without a name',
    isInstalled('openssl', 'version'),
    (port) => run('openssl', 's_client', '-connect', `127.0.0.1:${port}`, '-noservername'),
    { sni: null, alpn: [] },
  ],
];

describe('the hello of a real client', () => {
  for (const [client, installed, start, expected] of CLIENTS) {
    test.runIf(installed)(`${client}, cut anywhere`, async () => {
      const bytes = await bytesOf(start);
      const whole = readClientHello(bytes);
      expect(whole).toMatchObject({ kind: 'hello', ...expected });
      for (let length = 0; length < bytes.length; length += 1) {
        expect(readClientHello(bytes.subarray(0, length)).kind).toBe('need-more');
      }
      const message = bytes.subarray(5);
      for (const bytesEach of [13, 64, 200]) expect(readClientHello(inRecords(message, bytesEach))).toEqual(whole);
    });
  }
});

test('reading a hello, and finding that there is more to come, cost microseconds', () => {
  const bytes = hello({
    extensions: [
      serverNames([0, 'a.example']),
      alpn('h2', 'http/1.1'),
      versions(0x0304),
      extension(21, Buffer.alloc(300)),
    ],
  });
  const cut = bytes.subarray(0, bytes.length - 1);
  const microsecondsEach = (read: () => void): number => {
    const startMs = performance.now();
    for (let count = 0; count < 20_000; count += 1) read();
    return (performance.now() - startMs) / 20;
  };
  const [whole, part] = [microsecondsEach(() => readClientHello(bytes)), microsecondsEach(() => readClientHello(cut))];
  console.info(`a whole hello ${whole.toFixed(2)} µs, an incomplete one ${part.toFixed(2)} µs`);
  expect(whole).toBeLessThan(100);
  expect(part).toBeLessThan(20);
});

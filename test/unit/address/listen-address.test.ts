import { describe, expect, it } from 'vitest';
import { parseListenAddress } from '../../../src/address/listen-address.ts';

describe('an address to listen on', () => {
  it.each([
    ['127.0.0.1:8080', { kind: 'tcp', host: '127.0.0.1', port: 8080 }],
    ['0.0.0.0:0', { kind: 'tcp', host: '0.0.0.0', port: 0 }],
    ['localhost:9464', { kind: 'tcp', host: 'localhost', port: 9464 }],
    ['[::]:8080', { kind: 'tcp', host: '::', port: 8080 }],
    ['[::1]:8080', { kind: 'tcp', host: '::1', port: 8080 }],
    ['unix:/run/postern.sock', { kind: 'unix', path: '/run/postern.sock' }],
    ['unix:/run/vm-42/v.sock_8080', { kind: 'unix', path: '/run/vm-42/v.sock_8080' }],
  ])('is taken: %s', (text, address) => {
    expect(parseListenAddress(text)).toEqual({ ok: true, address: { ...address, text } });
  });

  it.each([
    [':8080', '0.0.0.0:8080'],
    ['*:8080', '0.0.0.0:8080'],
    ['LOCALHOST:8080', 'localhost:8080'],
    ['[0::1]:8080', '[::1]:8080'],
    ['::1:8080', '[::1]:8080'],
    ['unix:/run//x.sock', 'unix:/run/x.sock'],
    ['unix:/run/./x.sock', 'unix:/run/x.sock'],
    ['unix:/run/y/../x.sock', 'unix:/run/x.sock'],
    ['unix:/run/x.sock/', 'unix:/run/x.sock'],
  ])('is refused with what to write: %s', (text, canonical) => {
    expect(parseListenAddress(text)).toMatchObject({ ok: false, canonical });
  });

  it.each([
    [''],
    ['8080'],
    ['127.0.0.1'],
    ['[::1]'],
    ['127.0.0.1:'],
    ['127.0.0.1:65536'],
    ['127.0.0.1:080'],
    ['127.0.0.1:00'],
    ['example.com:8080'],
    ['http://127.0.0.1:8080'],
    ['unix:'],
    ['unix:run/postern.sock'],
    ['unix:/run/\0'],
    ['unix:/'],
    ['unix://'],
    ['unix:/..'],
    [`unix:/${'a'.repeat(107)}`],
  ])('is refused: %j', (text) => {
    expect(parseListenAddress(text)).toMatchObject({ ok: false, why: expect.stringMatching(/./) });
  });
});

import { describe, expect, it } from 'vitest';
import { parseAuthority, parsePort } from '../../../src/address/authority.ts';

describe('an authority', () => {
  it.each([
    ['example.com:443', 'example.com', 443, 'name'],
    ['EXAMPLE.com.:443', 'example.com', 443, 'name'],
    ['10.0.0.1:1', '10.0.0.1', 1, 'ipv4'],
    ['[::1]:65535', '[::1]', 65_535, 'ipv6'],
  ])('has a host and a port: %s', (text, host, port, kind) => {
    expect(parseAuthority(text, null)).toEqual({ ok: true, host, port, kind });
    expect(parseAuthority(text, 80)).toEqual({ ok: true, host, port, kind });
  });

  it.each([
    ['example.com', 'example.com'],
    ['[::1]', '[::1]'],
  ])('without a port has the default one, where there is one: %s', (text, host) => {
    expect(parseAuthority(text, 80)).toMatchObject({ ok: true, host, port: 80 });
    expect(parseAuthority(text, null)).toEqual({ ok: false, why: 'has no port' });
  });

  it.each([
    [''],
    [':443'],
    ['example.com:'],
    ['example.com:0'],
    ['example.com:65536'],
    ['example.com:99999'],
    ['example.com:0443'],
    ['example.com:+443'],
    ['example.com:-1'],
    ['example.com: 443'],
    ['example.com :443'],
    ['example.com:443 '],
    ['example.com:4_3'],
    ['example.com:1e3'],
    ['example.com:0x50'],
    ['example.com:443:443'],
    ['example.com:443/'],
    ['example.com/x:443'],
    ['example.com:443?x'],
    ['http://example.com:443'],
    ['user@example.com:443'],
    ['user:pass@example.com:443'],
    ['a:443@example.com'],
    ['::1:443'],
    ['[::1]443'],
    ['[::1]x:443'],
    ['[::1]:'],
    ['[[::1]]:443'],
    ['127.1:80'],
    ['example.com:٤٤٣'],
    ['example.com\r\n:443'],
  ])('is refused: %j', (text) => {
    expect(parseAuthority(text, null).ok).toBe(false);
    expect(parseAuthority(text, 80).ok).toBe(false);
  });
});

describe('a port', () => {
  it('has one spelling', () => {
    expect(parsePort('1')).toBe(1);
    expect(parsePort('65535')).toBe(65_535);
    for (const text of ['', '0', '00', '01', '65536', '100000', '1.0', ' 1', '1 ', '+1'])
      expect(parsePort(text)).toBeNull();
  });
});

import { describe, expect, it } from 'vitest';
import { canonicalHost, hostFromRequest } from '../../../src/address/hostname.ts';

const label63 = 'a'.repeat(63);
const name253 = `${label63}.${label63}.${label63}.${'b'.repeat(61)}`;

describe('a canonical host', () => {
  it.each([
    ['example.com', 'name'],
    ['localhost', 'name'],
    ['a', 'name'],
    ['xn--exmple-cua.com', 'name'],
    ['my_bucket.s3.amazonaws.com', 'name'],
    ['_dmarc.example.com', 'name'],
    ['r3---sn-4g5e.googlevideo.com', 'name'],
    ['1password.com', 'name'],
    ['example.7eleven', 'name'],
    ['123.456.example', 'name'],
    [label63, 'name'],
    [name253, 'name'],
    ['127.0.0.1', 'ipv4'],
    ['255.255.255.255', 'ipv4'],
    ['[::1]', 'ipv6'],
    ['[2001:db8::1:0:0:1]', 'ipv6'],
    ['[::ffff:10.0.0.1]', 'ipv6'],
  ])('is taken as it is: %s', (text, kind) => {
    expect(canonicalHost(text)).toEqual({ ok: true, host: text, kind });
    expect(hostFromRequest(text)).toEqual({ ok: true, host: text, kind });
  });
});

describe('a host that is not canonical', () => {
  it.each([
    ['Example.com', 'example.com'],
    ['example.com.', 'example.com'],
    ['EXAMPLE.COM.', 'example.com'],
    ['exämple.com', 'xn--exmple-cua.com'],
    ['Bücher.example', 'xn--bcher-kva.example'],
    ['::1', '[::1]'],
    ['2001:DB8::1', '[2001:db8::1]'],
    ['[2001:DB8:0::1]', '[2001:db8::1]'],
    ['[0:0:0:0:0:0:0:1]', '[::1]'],
    ['[::ffff:a00:1]', '[::ffff:10.0.0.1]'],
    ['127.1', '127.0.0.1'],
    ['0x7f.1', '127.0.0.1'],
    ['2130706433', '127.0.0.1'],
    ['0177.0.0.1', '127.0.0.1'],
    ['0x7f000001', '127.0.0.1'],
    ['127.0.0.1.', '127.0.0.1'],
  ])('is refused with the spelling to write: %s', (text, canonical) => {
    expect(canonicalHost(text)).toMatchObject({ ok: false, canonical });
  });

  it.each([
    [''],
    ['.'],
    ['..'],
    ['a..b'],
    ['.example.com'],
    ['example.com..'],
    ['exa%6dple.com'],
    ['user@example.com'],
    ['example.com:443'],
    ['example.com/x'],
    ['exa mple.com'],
    ['example.com\n'],
    ['example.com\0'],
    ['evil.com\n.example.com'],
    ['exam\u00adple.com'],
    ['example.com\u3002evil.test'],
    ['ｅxample.com'],
    ['\u212aube.example'],
    ['-a.example'],
    ['a-.example'],
    ['*.example.com'],
    ['*'],
    ['example.256'],
    ['1.2.3.4.5'],
    ['1.2.3'.repeat(9)],
    ['256.1.1.1'],
    ['example.0x'],
    ['example.0xf'],
    ['[::1'],
    ['::1]'],
    ['[]'],
    ['[fe80::1%eth0]'],
    ['[fe80::1%25eth0]'],
    ['[127.0.0.1]'],
    ['[v1.x]'],
    ['[::1].'],
    [`${label63}a.example`],
    [`${name253}c`],
  ])('is refused without a guess: %j', (text) => {
    const reading = canonicalHost(text);
    expect(reading.ok).toBe(false);
    expect(reading).not.toHaveProperty('canonical');
  });

  it('is refused with a reason that holds nothing of the text', () => {
    for (const text of ['PSTRN%6d.example', 'pstrn@example.com', 'pstrn .example']) {
      expect(canonicalHost(text)).toMatchObject({ ok: false, why: expect.not.stringMatching(/pstrn/i) });
    }
  });
});

describe('a host from a request', () => {
  it.each([
    ['EXAMPLE.com', 'example.com'],
    ['example.com.', 'example.com'],
    ['Example.COM.', 'example.com'],
    ['127.0.0.1.', '127.0.0.1'],
    ['[2001:DB8::1]', '[2001:db8::1]'],
  ])('has case and one final dot folded: %s', (text, host) => {
    expect(hostFromRequest(text)).toMatchObject({ ok: true, host });
  });

  it.each([
    ['example.com..'],
    ['exämple.com'],
    ['\u212aube.example'],
    ['127.1'],
    ['0X7F.1'],
    ['2130706433.'],
    ['[0:0::1]'],
    ['::1'],
    ['[fe80::1%eth0]'],
    ['user@example.com'],
    ['[::1].'],
    ['[2001:DB8::1].'],
    [''],
    ['.'],
  ])('is refused for anything else: %j', (text) => {
    expect(hostFromRequest(text).ok).toBe(false);
  });
});

describe('a text that is far too long', () => {
  it('is refused at once, whoever sent it', () => {
    for (const text of ['a'.repeat(100_000), `${'A'.repeat(100_000)}.`, '['.repeat(100_000), 'ä'.repeat(100_000)]) {
      expect(canonicalHost(text)).toMatchObject({ ok: false, why: 'is longer than 253 characters' });
      expect(hostFromRequest(text).ok).toBe(false);
    }
  });
});

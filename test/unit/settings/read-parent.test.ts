import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../src/runtime/read-settings.ts';

const read = (proxy: string) => readSettings(`version: 1\nupstream: { proxy: ${proxy} }\n`, 'etc/postern.yaml', '/srv');
const errorsOf = (proxy: string): readonly string[] =>
  read(proxy).findings.map(({ place, path, text }) => `${place.line}:${place.column}  ${path}  ${text}`);

const EXAMPLE = 'write e.g. "http://proxy.corp.example:3128"';

describe('upstream.proxy', () => {
  it('is read whole', () => {
    const { settings, findings } = read(
      '{ url: "https://proxy.corp.example:3128", username: me, password: { file: secrets/corp }, no_proxy: [a.example, "*.internal", 10.0.0.0/8, 192.0.2.7, "fd00::/8"] }',
    );
    expect(findings).toEqual([]);
    expect(settings?.upstream.proxy).toEqual({
      scheme: 'https',
      host: 'proxy.corp.example',
      port: 3128,
      user: { name: 'me', password: { kind: 'file', path: '/srv/etc/secrets/corp' } },
      noProxyHosts: ['a.example', '*.internal'],
      noProxyBlocks: ['10.0.0.0/8', '192.0.2.7/32', 'fd00::/8'],
    });
  });

  it.each([
    ['http://corp:3128', 'http', 'corp', 3128],
    ['http://10.0.0.9:80', 'http', '10.0.0.9', 80],
    ['https://[fd00::9]:443', 'https', '[fd00::9]', 443],
  ])('may be %s alone', (url, scheme, host, port) => {
    const { settings } = read(`{ url: "${url}", no_proxy: [] }`);
    expect(settings?.upstream.proxy).toEqual({
      scheme,
      host,
      port,
      user: null,
      noProxyHosts: [],
      noProxyBlocks: [],
    });
  });

  it.each([
    ['"http://corp:3128"', 'upstream.proxy  must be a map, e.g. { url: "http://proxy.corp.example:3128" }'],
    ['{}', 'upstream.proxy.url  is missing; it must be a URL, e.g. "http://proxy.corp.example:3128"'],
    ['{ url: "socks5://corp:1080" }', `upstream.proxy.url  is not an http:// or https:// URL; ${EXAMPLE}`],
    ['{ url: "corp:3128" }', `upstream.proxy.url  is not an http:// or https:// URL; ${EXAMPLE}`],
    ['{ url: "HTTP://corp:3128" }', `upstream.proxy.url  is not an http:// or https:// URL; ${EXAMPLE}`],
    ['{ url: "http://corp" }', `upstream.proxy.url  has no port; ${EXAMPLE}`],
    ['{ url: "http://corp:0" }', `upstream.proxy.url  has a port that is not a number from 1 to 65535; ${EXAMPLE}`],
    ['{ url: "http://corp:3128/" }', `upstream.proxy.url  has something after the port; ${EXAMPLE}`],
    ['{ url: "http://corp:3128?a" }', `upstream.proxy.url  has something after the port; ${EXAMPLE}`],
    ['{ url: "http://Corp.:3128" }', 'upstream.proxy.url  is not in canonical form; write "http://corp:3128"'],
    [
      '{ url: "http://me:hunter2@corp:3128" }',
      'upstream.proxy.url  has a user in it; write "username" and "password" beside it',
    ],
    [
      '{ url: "http://corp:3128", username: me }',
      'upstream.proxy.username  stands without "password"; write both or neither',
    ],
    [
      '{ url: "http://corp:3128", password: { env: CORP } }',
      'upstream.proxy.password  stands without "username"; write both or neither',
    ],
    [
      '{ url: "http://corp:3128", username: "a:b", password: { env: CORP } }',
      'upstream.proxy.username  is not a user for Basic; write 1 to 255 characters without a colon or control characters',
    ],
    [
      '{ url: "http://corp:3128", username: me, password: hunter2 }',
      'upstream.proxy.password  must be { env: VARIABLE } or { file: PATH }',
    ],
    [
      '{ url: "http://corp:3128", no_proxy: ["*"] }',
      'upstream.proxy.no_proxy[0]  "*" has a character that host names do not have',
    ],
    [
      '{ url: "http://corp:3128", no_proxy: [".corp.example"] }',
      'upstream.proxy.no_proxy[0]  ".corp.example" begins with a dot; write "*.corp.example"',
    ],
    [
      '{ url: "http://corp:3128", no_proxy: ["Corp.Example"] }',
      'upstream.proxy.no_proxy[0]  "Corp.Example" has upper-case letters; write "corp.example"',
    ],
    [
      '{ url: "http://corp:3128", no_proxy: [10.0.0.1/8] }',
      'upstream.proxy.no_proxy[0]  "10.0.0.1/8" has bits set after the prefix; write "10.0.0.0/8"',
    ],
    [
      '{ url: "http://corp:3128", no_proxy: ["[fd00::1]"] }',
      'upstream.proxy.no_proxy[0]  "[fd00::1]" is an address in brackets; write "fd00::1"',
    ],
    [
      '{ url: "http://corp:3128", no_proxy: corp.example }',
      'upstream.proxy.no_proxy  must be a list of hosts and blocks, e.g. ["*.corp.example", 10.0.0.0/8]',
    ],
  ])('is refused with what to write: %s', (proxy, finding) => {
    const found = errorsOf(proxy);
    expect(found.map((line) => line.slice(line.indexOf('  ') + 2))).toEqual([finding]);
    expect(found.join()).not.toContain('hunter2');
    expect(read(proxy).settings).toBeNull();
  });
});

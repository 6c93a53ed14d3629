import { canonicalHost, hostFromRequest } from '../../src/address/hostname.ts';
import { parseIp } from '../../src/address/ip.ts';
import { holds, same, type Target } from '../target.ts';

/** One host has one spelling, and what we take for a host is the host that a URL parser takes it for. */
export const target: Target = {
  name: 'host',
  seeds: [
    'api.example.com',
    'API.Example.COM.',
    '_dmarc.example.com',
    'xn--bcher-kva.example',
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '2130706433',
    '017700000001',
    '1.2.3.4.',
    '[::1]',
    '[::ffff:10.0.0.1]',
    '[2001:db8:0:0:1::1]',
    '[fe80::1%25eth0]',
    'bücher.example',
    'exa\u00admple.com',
    'example\u3002com',
    'ｅxample.com',
    '\u212a.example',
    'a@b',
    'a%2eb',
    'a..b',
    '-a.b',
    'a-.b',
    `${'a'.repeat(63)}.${'b'.repeat(63)}`,
  ],
  dictionary: [
    '.',
    '..',
    '-',
    '_',
    ':',
    '::',
    '[',
    ']',
    '%',
    '@',
    '/',
    '\\',
    'xn--',
    '0x',
    '00',
    '127.0.0.1',
    'ffff:',
    '255',
    '。',
    '\u00ad',
  ],
  bytesMax: 300,
  check(input) {
    const text = input.toString('utf8');
    const strict = canonicalHost(text);
    const loose = hostFromRequest(text);
    if (strict.ok) {
      holds('what is canonical stands as it is', strict.host === text);
      same('what is canonical is what a request is folded to', loose, strict);
    } else if (strict.canonical !== undefined) {
      same('a spelling that is offered is taken', canonicalHost(strict.canonical).ok, true);
    }
    if (!loose.ok) return;
    same('folding twice changes nothing', hostFromRequest(loose.host), loose);
    // The Kelvin sign is folded to "k" by whoever folds more than ASCII.
    holds('a host came in ASCII', /^[\x21-\x7e]+$/.test(text));
    holds('folding changes only case and one final dot', text.toLowerCase().replace(/\.$/, '') === loose.host);
    holds('a host is printable ASCII without delimiters', /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])$/.test(loose.host));
    same('a URL parser reads the same host', urlHost(text), urlSpelling(loose.host));
  },
};

/** As a URL parser reads it; `null` where it takes no host at all. One final dot stays there, and is no other host (RFC 3986 3.2.2). */
function urlHost(text: string): string | null {
  try {
    return new URL(`http://${text}/`).hostname.replace(/\.$/, '');
  } catch {
    return null;
  }
}

/**
 * How URL parsers write our canonical host. Two known differences: they write v4-mapped addresses in hexadecimal (the same bytes), and refuse
 * A-labels that are no valid Punycode, which DNS takes like any other label.
 */
function urlSpelling(host: string): string | null {
  if (host.startsWith('[')) {
    const bytes = parseIp(host.slice(1, -1))?.bytes ?? new Uint8Array(16);
    const groups = Array.from({ length: 8 }, (_, at) =>
      (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
    );
    return new URL(`http://[${groups.join(':')}]/`).hostname;
  }
  return host.includes('xn--') && urlHost(host) === null ? null : host;
}

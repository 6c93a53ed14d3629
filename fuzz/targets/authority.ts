import { parseAuthority } from '../../src/address/authority.ts';
import { hostFromRequest } from '../../src/address/hostname.ts';
import { holds, same, type Target } from '../target.ts';

/** `host` or `host:port`, and nothing that steers a dial elsewhere. */
export const target: Target = {
  name: 'authority',
  seeds: [
    'api.example.com:443',
    'api.example.com',
    'API.example.com.:8443',
    '[::1]:443',
    '[::1]',
    '127.0.0.1:80',
    'a:b@c:443',
    'a:0',
    'a:00443',
    'a:+443',
    'a:65536',
    'a:443/',
    'a:443 ',
    'a:443?x',
    'a%2eb:443',
    'evil.test\\@a:443',
    'a:443:443',
    '::1:443',
    '[::1]443',
    ':443',
    'a:',
  ],
  dictionary: [':', ':443', ':80', ':65535', '[', ']', '@', '/', '\\', '%3A', '?', '#', ' ', '.', '0', '[::1]', 'xn--'],
  bytesMax: 300,
  check(input) {
    const text = input.toString('latin1');
    const required = parseAuthority(text, null);
    const reading = parseAuthority(text, 443);
    if (required.ok) same('a default port matters only where there is none', reading, required);
    if (!reading.ok) return;
    const { host, port, kind } = reading;
    holds('a port is one', Number.isInteger(port) && port >= 1 && port <= 65_535);
    holds('nothing but host and port stands in it', !/[@/\\?#%\s]/.test(text));
    same('its host is a host', hostFromRequest(host), { ok: true, host, kind });
    same('its canonical spelling is read as the same', parseAuthority(`${host}:${port}`, null), reading);
    const rest = text.slice(text.endsWith(`:${port}`) ? -`:${port}`.length : text.length);
    same(
      'host and port are all that came',
      text.toLowerCase(),
      `${text.slice(0, text.length - rest.length).toLowerCase()}${rest}`,
    );
    checkUrl(text, host, port);
  },
};

/** A URL parser dials the same place; it refuses A-labels that are no valid Punycode. */
function checkUrl(text: string, host: string, port: number): void {
  let url: URL;
  try {
    url = new URL(`http://${text}/`);
  } catch {
    holds('only bad A-labels are refused by a URL parser', host.includes('xn--'));
    return;
  }
  const asWritten = url.port === '' ? (/:80$/.test(text) ? 80 : 443) : Number(url.port);
  same('a URL parser reads the same port', asWritten, port);
  same('there is no user information', url.username + url.password + url.search + url.hash, '');
  if (!host.startsWith('[')) same('a URL parser reads the same host', url.hostname.replace(/\.$/, ''), host);
}

import { parseAuthority } from '../address/authority.ts';
import type { Scheme } from '../policy/model.ts';

/** A request target that was read (RFC 9112 section 3.2), canonical where it names the host, as it came where it names the resource. */
export interface Target {
  readonly scheme: Scheme;
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** Origin-form, or `*`: what the upstream is sent. */
  readonly resource: string;
  readonly path: string;
  readonly query: string | null;
}

export interface BadTarget {
  readonly kind: 'bad';
  readonly why: string;
  readonly hint?: string;
}

/** What Host is to say: the port only where it is not the scheme's own. */
export const hostFieldOf = ({ scheme, host, port }: Place): string =>
  port === defaultPort(scheme) ? host : `${host}:${port}`;

export const defaultPort = (scheme: Scheme): number => (scheme === 'https' ? 443 : 80);

const bad = (why: string, hint?: string): BadTarget => ({ kind: 'bad', why, ...(hint === undefined ? {} : { hint }) });

/** RFC 9112 section 3.2.1 has none; servers cut it off, so a rule for the path would have judged another one. */
const FRAGMENT = bad('the target holds a fragment');

/** `http://host[:port]/path?query` on a connection to the proxy itself. */
export function absoluteTarget(text: string, method: string): Target | BadTarget {
  if (text.startsWith('/')) {
    return bad(
      'an origin-form target on the proxy port',
      'This is a forward proxy: use it as HTTP_PROXY and HTTPS_PROXY.',
    );
  }
  const scheme = /^https?:\/\//i.exec(text)?.[0].toLowerCase();
  if (scheme === undefined) return bad('the target is not an absolute http:// URL');
  if (scheme === 'https://') return bad('an absolute https:// target', 'Use CONNECT host:443 for https.');
  return split(text.slice(scheme.length), 'http', method);
}

/** Origin-form or `*` inside a tunnel; an absolute-form target there may only repeat what the tunnel is for. */
export function tunnelTarget(text: string, method: string, tunnel: Place): Target | BadTarget | 'mismatch' {
  if (text.startsWith('/')) return text.includes('#') ? FRAGMENT : originForm(text, tunnel);
  if (text === '*') return method === 'OPTIONS' ? asterisk(tunnel) : bad('the target * is for OPTIONS only');
  const prefix = `${tunnel.scheme}://`;
  if (text.slice(0, prefix.length).toLowerCase() !== prefix)
    return bad('the target is neither a path nor a URL of this host');
  const target = split(text.slice(prefix.length), tunnel.scheme, method);
  if ('kind' in target) return target;
  return target.host === tunnel.host && target.port === tunnel.port ? target : 'mismatch';
}

function split(rest: string, scheme: Scheme, method: string): Target | BadTarget {
  const end = rest.search(/[/?]/);
  const authority = parseAuthority(end < 0 ? rest : rest.slice(0, end), defaultPort(scheme));
  if (!authority.ok) return bad(`the authority of the target is not valid: ${authority.why}`);
  const place = { scheme, host: authority.host, port: authority.port };
  const resource = end < 0 ? '' : rest.slice(end);
  // RFC 9112 section 3.2.4: OPTIONS on an authority without a path is the asterisk-form.
  if (resource === '' && method === 'OPTIONS') return asterisk(place);
  const origin = resource.startsWith('/') ? resource : `/${resource}`;
  return origin.includes('#') ? FRAGMENT : originForm(origin, place);
}

type Place = Pick<Target, 'scheme' | 'host' | 'port'>;

function originForm(resource: string, { scheme, host, port }: Place): Target {
  const mark = resource.indexOf('?');
  if (mark < 0) return { scheme, host, port, resource, path: resource, query: null };
  return { scheme, host, port, resource, path: resource.slice(0, mark), query: resource.slice(mark + 1) };
}

const asterisk = (place: Place): Target => ({
  ...place,
  resource: '*',
  path: '*',
  query: null,
});

import type { Field } from '../headers/field-list.ts';
import type { HeadLimits } from '../http1/head.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { isTargetText, isToken, type Refused, refused } from '../http1/syntax.ts';
import { type RawFields, readFields } from './raw-fields.ts';

interface Pseudo {
  method: string | null;
  scheme: string | null;
  authority: string | null;
  path: string | null;
}

const METHOD_BYTES_MAX = 32;

/**
 * A request head of HTTP/2 in the shape of an HTTP/1.1 one (RFC 9113 section 8.3.1): `:path` is the target, `:authority` the Host field. So one
 * reading of a request serves every protocol. nghttp2 has refused what is malformed by RFC 9113 section 8.2 before; what it lets pass and another
 * server would read differently is refused here.
 * @param scheme what is spoken on the connection, which `:scheme` must say
 */
export function readRequestHead(raw: RawFields, scheme: string, limits: HeadLimits): RequestHead | Refused {
  const read = readFields(raw, limits);
  if ('kind' in read) return read;
  const pseudo = pseudoOf(read.pseudo);
  if (pseudo === null) return refused('invalid', 'a pseudo-header field is unknown or came twice');
  const { method, authority, path } = pseudo;
  if (method === null || !isToken(method) || method.length > METHOD_BYTES_MAX)
    return refused('invalid', 'the method is not a token');
  // RFC 9113 section 8.5: CONNECT has neither scheme nor path. It is refused for what it is, later on.
  if (method === 'CONNECT') return head(method, authority ?? '', read.fields);
  if (pseudo.scheme !== scheme) return refused('target', `the scheme of the request is not ${scheme}`);
  if (path === null || !isTargetText(path) || !(path.startsWith('/') || path === '*'))
    return refused('target', 'the :path is neither a path nor *, or holds a character that is not printable ASCII');
  return head(method, path, joinedCookies(withHost(read.fields, authority)));
}

const head = (method: string, target: string, fields: readonly Field[]): RequestHead => ({
  kind: 'request',
  method,
  target,
  version: '2',
  fields,
});

function pseudoOf(fields: readonly Field[]): Pseudo | null {
  const found: Pseudo = { method: null, scheme: null, authority: null, path: null };
  for (const { lower, value } of fields) {
    const name = lower.slice(1);
    if (!isPseudoName(name) || found[name] !== null) return null;
    found[name] = value;
  }
  return found;
}

const isPseudoName = (name: string): name is keyof Pseudo =>
  name === 'method' || name === 'scheme' || name === 'authority' || name === 'path';

/**
 * RFC 9113 section 8.3.1: `:authority` stands for Host, and a Host beside it must say the same. One that does not stays, and is one Host too
 * many for whoever reads the head.
 */
function withHost(fields: readonly Field[], authority: string | null): readonly Field[] {
  if (authority === null) return fields;
  const same = authority.toLowerCase();
  const first = { name: 'host', lower: 'host', value: authority };
  const hosts = fields.filter(({ lower }) => lower === 'host');
  const isRepeated = hosts.length === 1 && hosts[0]?.value.toLowerCase() === same;
  return [first, ...(isRepeated ? fields.filter(({ lower }) => lower !== 'host') : fields)];
}

/**
 * RFC 9113 section 8.2.3: a client may send its cookies as fields of one pair each. They are put together once, for then a condition, an
 * injection and every server read the same field.
 */
function joinedCookies(fields: readonly Field[]): readonly Field[] {
  const crumbs = fields.filter(({ lower }) => lower === 'cookie');
  const [first] = crumbs;
  if (first === undefined || crumbs.length === 1) return fields;
  const sensitive = crumbs.some((each) => each.sensitive === true) ? { sensitive: true as const } : {};
  const joined = { ...first, value: crumbs.map(({ value }) => value).join('; '), ...sensitive };
  return fields.flatMap((each) => {
    if (each === first) return [joined];
    return each.lower === 'cookie' ? [] : [each];
  });
}

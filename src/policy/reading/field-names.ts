import { hyphened } from '../../headers/field-list.ts';
import { below, quote, type Site } from '../finding.ts';

/** RFC 9110 section 5.1: a field name is a token. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NAME_LENGTH_MAX = 256;

/** Fields that belong to the connection, to the framing or to the routing of a message: ours to write, and never a policy's. */
const UNTOUCHABLE: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Why a field can be neither injected, stripped nor asked for; null if it can. `name` in any case. */
export function whyBadField(name: string): string | null {
  if (name.startsWith(':')) return 'is a pseudo-field of HTTP/2; rules have "methods", "hosts" and "paths" for those';
  if (name.length > NAME_LENGTH_MAX || !TOKEN.test(name)) return 'is not a field name';
  const lower = hyphened(name.toLowerCase());
  if (lower === 'host') return 'is the host that was asked for, which "hosts" is about';
  if (lower.startsWith('proxy-')) return 'is between the client and the proxy, and never leaves';
  if (UNTOUCHABLE.has(lower)) return 'belongs to the connection or to the framing of a message, and is always ours';
  return null;
}

/** Reads a list of field names as lower case, and reports what is wrong with it. */
export function readFieldNames(raw: readonly string[], site: Site): readonly string[] {
  const names = new Set<string>();
  for (const [index, text] of raw.entries()) {
    const { path } = below(site, index);
    const why = whyBadField(text);
    if (why !== null) site.report.error(path, `${quote(text)} ${why}`);
    else if (names.has(text.toLowerCase()))
      site.report.warning(path, `${quote(text)} is in this list twice; remove one of them`);
    else names.add(text.toLowerCase());
  }
  return [...names];
}

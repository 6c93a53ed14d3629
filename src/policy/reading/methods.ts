import { below, nearest, quote, type Site } from '../finding.ts';

/**
 * What HTTP servers know: the IANA registry of methods, and the few others that common parsers and products speak (LIST of
 * HashiCorp Vault, PURGE of caches, SSDP's, SOURCE of Icecast). A word outside is a typing mistake, which on a deny rule would let
 * through what it was meant to stop.
 */
const KNOWN: readonly string[] = (
  'GET HEAD POST PUT DELETE PATCH OPTIONS QUERY ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY LABEL LINK LOCK MERGE MKACTIVITY ' +
  'MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE ORDERPATCH PROPFIND PROPPATCH REBIND REPORT SEARCH UNBIND UNCHECKOUT ' +
  'UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL LIST PURGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE SOURCE'
).split(' ');
const KNOWN_SET: ReadonlySet<string> = new Set(KNOWN);

/** Methods that change nothing (RFC 9110 section 9.2.1), as far as the host keeps to it. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Whether a rule with these methods lets a client store something; null means any method. */
export const allowsWriting = (methods: readonly string[] | null): boolean =>
  methods === null || methods.some((method) => !SAFE.has(method));

/** Reads `methods` of a rule and reports what is wrong with them. */
export function readMethods(raw: readonly string[], site: Site): readonly string[] {
  const methods = new Set<string>();
  for (const [index, text] of raw.entries()) {
    const { path } = below(site, index);
    const why = whyBadMethod(text);
    if (why !== null) site.report.error(path, `${quote(text)} ${why}`);
    else if (methods.has(text)) site.report.warning(path, `${quote(text)} is in this list twice; remove one of them`);
    else methods.add(text);
  }
  return [...methods];
}

function whyBadMethod(text: string): string | null {
  if (KNOWN_SET.has(text)) return null;
  const upper = text.toUpperCase();
  if (upper === 'TRACE' || upper === 'CONNECT') return 'is always refused; remove it';
  if (upper === '*') return 'is no method; leave "methods" out for any of them';
  if (KNOWN_SET.has(upper)) return `is not in upper case, and methods are case-sensitive; write ${quote(upper)}`;
  const near = nearest(text, KNOWN);
  return near === null
    ? 'is not a method that HTTP servers know'
    : `is not a known method; did you mean ${quote(near)}?`;
}

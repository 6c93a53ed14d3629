import { parseAuthority } from '../../address/authority.ts';
import { quote, type Site } from '../finding.ts';
import type { ForwardSpec } from '../model.ts';
import { readPath } from '../paths.ts';
import { isReserved } from '../reserved.ts';

const EXAMPLE = 'write e.g. "https://audit.corp.example/in"';
const LENGTH_MAX = 1_024;
const HTTPS_PORT = 443;
const URL_PARTS = /^https:\/\/([^/?#]*)([^?#]*)([?#]?)/;
/** RFC 3986 section 3.3, without `;`, whose parameters servers read differently. */
const PATH = /^[A-Za-z0-9\-._~$&'()+,=:@!*%/]*$/;

/** Reads `forward` of a rule (SEMANTICS.md 13); null if it is none, which is reported. What is wrong is not quoted: it may hold a password. */
export function readForward(text: string | undefined, site: Site): ForwardSpec | null {
  if (text === undefined) return null;
  const reading = parse(text);
  if (typeof reading !== 'string') return reading;
  site.report.error(site.path, reading);
  return null;
}

/** The URL, or what is wrong with it. */
function parse(text: string): ForwardSpec | string {
  const [, authority = '', path = '', end] = URL_PARTS.exec(text) ?? [];
  if (end === undefined) return `is not an https:// URL; ${EXAMPLE}`;
  if (text.length > LENGTH_MAX) return `is longer than ${LENGTH_MAX} characters`;
  if (authority.includes('@')) return `has a user in it, which would stand in a policy file; ${EXAMPLE}`;
  if (end === '?') return 'has a query; remove it, the query of each request is kept';
  if (end === '#') return 'has a fragment, which no server sees; remove it';
  const reading = parseAuthority(authority, HTTPS_PORT);
  if (!reading.ok) return `${reading.why}; ${EXAMPLE}`;
  const { host, port } = reading;
  if (isReserved(host)) return "is the proxy's own name; name the host that receives";
  const problem = problemOfPath(path);
  if (problem !== null) return problem;
  const prefix = readPath(path === '' ? '/' : path).text.replace(/\/+$/, '');
  const url = `https://${host}${port === HTTPS_PORT ? '' : `:${port}`}${prefix}`;
  if (url === text) return { url, host, port, path: prefix };
  const why = path.endsWith('/') ? 'ends with a slash, and each path begins with one' : 'is not in canonical form';
  return `${why}; write ${quote(url)}`;
}

function problemOfPath(path: string): string | null {
  if (path === '') return null;
  if (!PATH.test(path))
    return `has a character in its path that stands escaped in one, or that servers read differently; ${EXAMPLE}`;
  const { ambiguous, encodedSlash } = readPath(path);
  if (ambiguous !== null) return `has a path that ${ambiguous}, which servers read in different ways; ${EXAMPLE}`;
  return encodedSlash ? `has a path with an encoded slash, which servers read in different ways; ${EXAMPLE}` : null;
}

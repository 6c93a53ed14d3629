import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { errorCode } from '../errors.ts';
import { readCertificates } from './pem.ts';
import { readSystemRoots } from './system-roots.ts';

export interface UpstreamTrust {
  /** PEM texts whose certificates are trusted besides the system's roots; see `readTrust`. */
  readonly extraCaPems: readonly string[];
}

/**
 * What is in force, kept because reloads hardly ever change it: a context takes 5 ms (146 roots from one PEM text; an array with a
 * text for each takes 22 ms), and a reload happens while requests are under way.
 */
let latest: { readonly pems: readonly string[]; readonly context: SecureContext } | null = null;

/**
 * The trust anchors and protocol versions of every upstream connection: the system's roots and those added. The same object as before
 * while nothing changed. Whom it trusts is all that can be chosen; that a connection is verified at all is the dialler's
 * `rejectUnauthorized: true`, which no setting reaches.
 * @throws TypeError if an added text is not PEM certificates throughout
 */
export function buildUpstreamContext(trust: UpstreamTrust): SecureContext {
  const pems = [readSystemRoots().pem, ...trust.extraCaPems];
  if (latest !== null && isSame(latest.pems, pems)) return latest.context;
  for (const pem of trust.extraCaPems) {
    const reading = readCertificates(pem);
    if (reading.kind === 'refused') throw new TypeError(`a trusted CA text ${reading.why}`);
  }
  const context = createSecureContext({
    // Given a list, Node takes neither its own roots nor NODE_EXTRA_CA_CERTS along, which names our own CA after `postern env`.
    ca: pems,
    // Not left to the default, which a command line flag can lower.
    minVersion: 'TLSv1.2',
    // An intermediate that the operator trusts is trusted, as by Go, curl and Python, although its root is not in the list.
    allowPartialTrustChain: true,
  });
  latest = { pems, context };
  return context;
}

const isSame = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((text, index) => text === others[index]);

export type TrustReading =
  | { readonly kind: 'pems'; readonly pems: readonly string[] }
  | { readonly kind: 'refused'; readonly file: string; readonly why: string };

/** Reads the files of `upstream.trust`, each checked to hold certificates and nothing damaged. */
export async function readTrust(files: readonly string[]): Promise<TrustReading> {
  const pems: string[] = [];
  for (const file of files) {
    const pem = await readFile(file, 'utf8').catch((error: unknown) => ({ code: errorCode(error) }));
    if (typeof pem !== 'string') return { kind: 'refused', file, why: `cannot be read (${pem.code})` };
    const reading = readCertificates(pem);
    if (reading.kind === 'refused') return { kind: 'refused', file, why: reading.why };
    pems.push(pem);
  }
  return { kind: 'pems', pems };
}

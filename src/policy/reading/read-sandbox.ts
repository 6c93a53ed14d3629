import { parseListenAddress } from '../../address/listen-address.ts';
import { below, type PlaceOf, quote, type Site } from '../finding.ts';
import type { MatchSpec, PolicySpec } from '../model.ts';
import { withCanonical } from './host-patterns.ts';
import { type FileBase, readSource } from './read-secrets.ts';
import { readBlock } from './read-subnets.ts';
import type { RawSandbox } from './schema.ts';

/** Contract section 4. It is also the name of the policy's file and the user name of its token. */
const SANDBOX_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

type RawMatch = RawSandbox['match'][number];

/** Where entries of `match` stand. */
interface Context {
  readonly base: FileBase;
  readonly placeOf: PlaceOf;
}

/** Reads `sandbox`, and reports what is wrong with it. */
export function readSandbox(raw: RawSandbox, site: Site, context: Context): NonNullable<PolicySpec['sandbox']> {
  if (!SANDBOX_NAME.test(raw.name)) {
    const text = `${quote(raw.name)} is not a sandbox name; write at most 63 lower-case letters, digits and hyphens, not beginning with a hyphen`;
    site.report.error(below(site, 'name').path, text);
  }
  const match = raw.match.map((entry, index) => readMatch(entry, below(site, 'match', index), context));
  return { name: raw.name, match };
}

function readMatch(raw: RawMatch, site: Site, { base, placeOf }: Context): MatchSpec {
  checkKeys(raw, site);
  if (raw.source !== undefined && raw.listener?.startsWith('unix:') === true) {
    const text = 'stands beside a unix: listener, whose clients have no address; remove one of them';
    site.report.error(below(site, 'source').path, text, 'key');
  }
  return {
    place: placeOf(site.path, 'value'),
    source: raw.source === undefined ? null : readBlock(raw.source, below(site, 'source')),
    listener: raw.listener === undefined ? null : readListener(raw.listener, below(site, 'listener')),
    token: raw.token === undefined ? null : readSource(raw.token, below(site, 'token'), base),
    any: raw.any === true,
  };
}

function checkKeys(raw: RawMatch, site: Site): void {
  const keys = Object.entries(raw).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (keys.length === 0)
    site.report.error(site.path, 'matches nobody; write at least one of source, listener, token, any');
  if (raw.any === undefined) return;
  const at = below(site, 'any').path;
  if (!raw.any) site.report.error(at, 'can only be true; remove it');
  else if (keys.length > 1)
    site.report.error(at, 'stands beside other keys, which all must hold; write it as an entry of its own', 'key');
}

function readListener(text: string, site: Site): string | null {
  const reading = parseListenAddress(text);
  if (!reading.ok) {
    site.report.error(site.path, withCanonical(text, reading));
    return null;
  }
  return reading.address.text;
}

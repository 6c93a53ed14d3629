import type { Path } from '../finding.ts';

/** What the contract has and this release has not: refused at its place and never ignored, since a limit that is not kept is a trap. */
export const LATER = 'comes in a later release, and until then is refused rather than ignored; remove it';

const TOP_KEYS: ReadonlySet<string> = new Set(['boundary', 'grant']);
const SECRET_KINDS: ReadonlySet<string> = new Set([
  'aws',
  'aws_sts',
  'azure',
  'command',
  'exec',
  'gcp',
  'github_app',
  'google',
  'jwt',
  'kubernetes',
  'oauth2',
  'onepassword',
  'sts',
  'vault',
]);
const INJECTION_KINDS: ReadonlySet<string> = new Set([
  'aws_sigv4',
  'client_certificate',
  'hmac',
  'sign',
  'signature',
  'sigv4',
]);

/** The keys that a policy file may have in a later release, or that ask for what no release will do. */
export function explainPolicyKey(path: Path): string | null {
  const key = String(path.at(-1));
  const [part] = path;
  if (path.length === 1 && TOP_KEYS.has(key)) return LATER;
  if (part === 'rules' && path.at(2) === 'inject' && path.length === 5) return explainInjection(key);
  if (part === 'secrets' && path.length === 3) return explainSecret(key);
  return null;
}

const explainInjection = (key: string): string | null =>
  INJECTION_KINDS.has(key) ? `is a kind of injection that ${LATER}` : null;

function explainSecret(key: string): string | null {
  if (SECRET_KINDS.has(key))
    return 'is a kind of secret that comes in a later release; until then write { env: VARIABLE } or { file: PATH }';
  if (key === 'value')
    return 'is refused: a secret does not stand in a policy file; write { env: VARIABLE } or { file: PATH }';
  return null;
}

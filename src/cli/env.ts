import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { keyVariables } from '../environment/keys.ts';
import { proxyUrlOf } from '../environment/proxy-url.ts';
import {
  formatVariables,
  sandboxVariables,
  UnwritableError,
  type Variable,
  type VariablesFormat,
} from '../environment/variables.ts';
import { errorCode } from '../errors.ts';
import { compilePolicy } from '../policy/compile.ts';
import type { ListenAddress, Settings } from '../runtime/settings.ts';
import { loadOrCreateAuthority } from '../tls/authority-files.ts';
import { type AuthorityPaths, authorityPaths } from '../tls/authority-paths.ts';
import { refreshBundle } from '../tls/bundle.ts';
import { pemOfAll, readCertificates } from '../tls/pem.ts';
import type { CommandIo } from './command.ts';
import { RefusedError, reportFailure, UsageError } from './failure.ts';
import { namedOrOnly, namesOf, sandboxesFor } from './policies-for.ts';
import { settingsFor } from './settings-for.ts';

export const help = `postern env [--format sh|json|docker] [--proxy URL] [--policy PATH] [--sandbox NAME] [--ca-dir DIR] [--ca-at DIR] [--config FILE]

Prints the variables that a sandbox needs: the proxy, the CA for every ecosystem, and what its policy has in place of keys. Makes the CA
if there is none yet, so it works before "serve" ever ran:

  eval "$(postern env)"
  docker run --env-file <(postern env --format docker --proxy http://172.17.0.1:8080 --ca-at /ca) \\
    -v "$PWD/certs/ca.pem:/ca/ca.pem:ro" -v "$PWD/certs/bundle.pem:/ca/bundle.pem:ro" IMAGE

Give a sandbox these two files (and truststore.p12, if "ca export --format p12" made it), never the folder: ca-key.pem is in it.

Keys: each placeholder of the policy as POSTERN_PLACEHOLDER_<SECRET>, and for hosts whose SDKs are known the variable that they read
(OPENAI_API_KEY, GITHUB_TOKEN, …): the placeholder, or "unused-postern-adds-it" where a rule adds the credential anyway. No secret is read.

A sandbox that is recognised by its token needs it in the proxy's URL: --proxy http://NAME:TOKEN@host:port. It is never read from its file.

  --format FORMAT   sh (default), json, or docker for --env-file
  --proxy URL       the proxy as the sandbox reaches it (default: http:// and the first listener of postern.yaml)
  --policy PATH     a policy file, or a folder whose *.yaml are read (default: where postern.yaml says, else policies/)
  --sandbox NAME    for whom, where the policies have more than one sandbox; without it no keys are printed there
  --ca-dir DIR      the folder of the CA here (default: ca.dir of postern.yaml, else certs/)
  --ca-at DIR       the folder in which the sandbox sees the files (default: the same)
  --config FILE     postern.yaml
`;

const OPTIONS = {
  format: { type: 'string', default: 'sh' },
  proxy: { type: 'string' },
  policy: { type: 'string' },
  sandbox: { type: 'string' },
  'ca-dir': { type: 'string' },
  'ca-at': { type: 'string' },
  config: { type: 'string' },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    const values = valuesOf(args);
    const format = formatOf(values.format);
    const text = await variablesText(values, format, io);
    if (text === null) return 1;
    io.out(text);
    return 0;
  } catch (error) {
    return reportFailure(error, 'postern env', help, io);
  }
}

function valuesOf(args: readonly string[]): Values {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the arguments cannot be read');
  }
}

function formatOf(text: string): VariablesFormat {
  if (text === 'sh' || text === 'json' || text === 'docker') return text;
  throw new UsageError('--format is sh, json or docker');
}

/** Null if postern.yaml does not load, which has been said. */
async function variablesText(values: Values, format: VariablesFormat, io: CommandIo): Promise<string | null> {
  const given = values.proxy === undefined ? null : proxyGiven(values.proxy);
  const settings = await settingsFor(io, values.config);
  if (settings === null) return null;
  const proxyUrl = given ?? listenerUrl(settings.listen.proxy);
  const keys = isBare(values, settings, io) ? [] : keysFor(values, proxyUrl, io);
  const paths = authorityPaths(path.resolve(io.cwd, values['ca-dir'] ?? settings.ca.dir));
  const caPem = await caPemOf(paths);
  await bringBundle(paths, caPem, io);
  const seen = authorityPaths(path.resolve(io.cwd, values['ca-at'] ?? paths.dir));
  const trustStoreFile = (await isTrustStoreCurrent(paths, caPem, io)) ? seen.trustStore : null;
  try {
    const place = { proxyUrl, caFile: seen.ca, bundleFile: seen.bundle, trustStoreFile };
    return formatVariables([...sandboxVariables(place), ...keys], format);
  } catch (error) {
    if (error instanceof UnwritableError) throw new RefusedError(error.message);
    throw error;
  }
}

function proxyGiven(text: string): string {
  const url = proxyUrlOf(text);
  if (url === null) throw new UsageError('--proxy is http://host:port');
  return url;
}

/** Nobody asks for a policy, and there is none yet: the CA and the proxy are all that there is to tell. */
const isBare = ({ policy, sandbox }: Values, { policies }: Settings, { cwd }: CommandIo): boolean =>
  policy === undefined && sandbox === undefined && !existsSync(path.resolve(cwd, policies));

/** What the policy of one sandbox has in place of keys; nothing where nobody says which sandbox of several. */
function keysFor(values: Values, proxyUrl: string, io: CommandIo): readonly Variable[] {
  const sandboxes = sandboxesFor(values, io);
  const sandbox = namedOrOnly(sandboxes, values.sandbox);
  if (sandbox === null) {
    if (sandboxes.length > 1)
      io.err(`postern env: no keys are printed; name a sandbox with --sandbox: ${namesOf(sandboxes)}\n`);
    return [];
  }
  const { name, match } = sandbox;
  const needsToken = match !== null && match.length > 0 && match.every(({ token }) => token !== null);
  if (needsToken && new URL(proxyUrl).password === '')
    io.err(`postern env: ${name} is recognised by its token; give it with --proxy http://${name}:TOKEN@host:port\n`);
  return keyVariables(compilePolicy(sandbox));
}

/** Where the proxy is: the first TCP listener; one on every interface is reached by the loopback. */
export function listenerUrl(listeners: readonly ListenAddress[]): string {
  const listener = listeners.find((candidate) => candidate.kind === 'tcp');
  if (listener === undefined)
    throw new RefusedError('the proxy listens on no TCP port; say where the sandbox reaches it with --proxy');
  if (listener.port === 0)
    throw new RefusedError('the proxy listens on a port that the system chooses; say which with --proxy');
  const host = listener.host.replace(/^0\.0\.0\.0$/, '127.0.0.1').replace(/^::$/, '::1');
  return `http://${host.includes(':') ? `[${host}]` : host}:${listener.port}`;
}

/**
 * The certificates of ca.pem. Where it is there the key is not looked at: whoever asks may be another user than the one that serves, and needs
 * no right to read it.
 */
async function caPemOf(paths: AuthorityPaths): Promise<string> {
  const text = await readFile(paths.ca, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw new RefusedError(`${paths.ca}  cannot be read (${errorCode(error)}); give this user the right to read it`);
  });
  if (text === null) return (await loadOrCreateAuthority({ dir: paths.dir, nowMs: Date.now() })).authority.caPem;
  const reading = readCertificates(text);
  if (reading.kind === 'refused') throw new RefusedError(`${paths.ca}  ${reading.why}; put it back from a copy`);
  return pemOfAll(reading.certificates);
}

/** The variables name bundle.pem, so it has to be there; an old one is better than none where the folder may not be written. */
async function bringBundle(paths: AuthorityPaths, caPem: string, io: CommandIo): Promise<void> {
  const outcome = await refreshBundle(paths.bundle, caPem);
  if (outcome.kind !== 'failed') return;
  const isThere = await readFile(paths.bundle).then(
    () => true,
    () => false,
  );
  if (!isThere)
    throw new RefusedError(`${paths.bundle}  cannot be written (${outcome.code}); make the folder writable`);
  io.err(`${paths.bundle}  warning: may be out of date, and cannot be written (${outcome.code})\n`);
}

/** A store that lacks a certificate of ca.pem would have Java refuse what everything else trusts. */
async function isTrustStoreCurrent(paths: AuthorityPaths, caPem: string, io: CommandIo): Promise<boolean> {
  const store = await readFile(paths.trustStore).catch(() => null);
  if (store === null) return false;
  const reading = readCertificates(caPem);
  // Its certificates are not encrypted (see `trustStoreOf`), so they stand in it as they are.
  const isCurrent = reading.kind === 'certificates' && reading.certificates.every(({ raw }) => store.includes(raw));
  if (!isCurrent) {
    io.err(
      `${paths.trustStore}  warning: is not of this CA, so Java is left out; run "postern ca export --format p12"\n`,
    );
  }
  return isCurrent;
}

import { relative } from 'node:path';
import type { ListenAddress } from '../address/listen-address.ts';
import { formatPath } from '../policy/finding.ts';
import type { Finding, MatchSpec, SandboxSpec, SecretSource } from '../policy/model.ts';
import { groupSandboxes } from '../policy/reading/sandboxes.ts';
import { Secret } from '../secrets/secret.ts';
import { type Reading, readSources, sourceKey } from '../secrets/sources.ts';
import { findingAbout, readingOf, secretFindings } from '../secrets/vaults.ts';
import { readTrust } from '../tls/upstream-context.ts';
import { forwardFindings } from './forwards.ts';
import { type ReadRequest, readFiles } from './read-files.ts';
import { defaultSettings } from './read-settings.ts';
import type { Settings } from './settings.ts';
import { sourcesOfSettings } from './settings-secrets.ts';

export interface CheckRequest extends Omit<ReadRequest, 'known'> {
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Checked {
  /** Errors and warnings, of files first, then of what they point at. */
  readonly findings: readonly Finding[];
  /** The files that were read. */
  readonly files: readonly string[];
  /** Those without an error. */
  readonly sandboxes: readonly SandboxSpec[];
}

type Readings = ReadonlyMap<string, Reading>;

/**
 * Reads everything as a start would, and says what is wrong with it: the files, how they fit together, and whether the secrets that
 * they name can be had. With `policies` given, postern.yaml only says under which settings they are read.
 */
export async function checkFiles({ environment, ...request }: CheckRequest): Promise<Checked> {
  const reading = readFiles({ ...request, known: new Map() });
  const alone = request.policies !== null;
  const settings = reading.settings ?? (alone ? defaultSettings(request.folder) : null);
  const parsed = reading.policies.flatMap((policy) =>
    policy.kind === 'parsed' && policy.spec !== null ? [policy.spec] : [],
  );
  const forwards = settings === null ? [] : parsed.flatMap((spec) => forwardFindings(spec, settings));
  const specs = settings === null ? parsed : parsed.filter((spec) => forwardFindings(spec, settings).length === 0);
  const { sandboxes, findings } = groupSandboxes(specs);
  const outside =
    settings === null ? [] : await findingsOutside(sandboxes, settings, { alone, folder: request.folder, environment });
  return {
    findings: [
      ...(alone ? [] : reading.settingsFindings),
      ...reading.policiesFindings,
      ...reading.policies.flatMap((policy) => (policy.kind === 'parsed' ? policy.findings : [])),
      ...forwards,
      ...findings,
      ...outside,
    ],
    files: [
      ...(alone || settings === null ? [] : shownSettings(settings, request.folder)),
      ...reading.policies.map(({ file }) => file),
    ],
    sandboxes,
  };
}

const shownSettings = ({ file }: Settings, folder: string): readonly string[] =>
  file === null ? [] : [relative(folder, file)];

interface Outside extends Pick<CheckRequest, 'environment' | 'folder'> {
  readonly alone: boolean;
}

/** What the files point at: secrets, tokens, listeners and trusted certificates. */
async function findingsOutside(
  sandboxes: readonly SandboxSpec[],
  settings: Settings,
  { alone, folder, environment }: Outside,
): Promise<readonly Finding[]> {
  const tokens = sandboxes.flatMap(({ match }) => (match ?? []).flatMap(({ token }) => token ?? []));
  const sources = [...sandboxes.flatMap(({ secrets }) => secrets.map(({ source }) => source)), ...tokens];
  const ofSettings = alone ? [] : sourcesOfSettings(settings).map(({ source }) => source);
  const readings = await readSources([...sources, ...ofSettings], environment, settings.strictFiles);
  return [
    ...(alone ? [] : await settingsFindings(settings, readings, relative(folder, settings.file ?? ''))),
    ...sandboxes.flatMap((sandbox) => secretFindings(sandbox, readings)),
    ...sandboxes.flatMap(({ match }) =>
      (match ?? []).flatMap((entry, index) => matchFindings(entry, index, settings, readings)),
    ),
  ];
}

async function settingsFindings(settings: Settings, readings: Readings, shown: string): Promise<readonly Finding[]> {
  const place = { file: shown, line: 1, column: 1 };
  const trust = await readTrust(settings.upstream.trust);
  return [
    ...sourcesOfSettings(settings).flatMap(({ source, path, what }) =>
      findingAbout(readingOf(source, readings), place, path, `the ${what} is not available`),
    ),
    ...(trust.kind === 'pems'
      ? []
      : [{ level: 'error', place, path: 'upstream.trust', text: `${trust.file} ${trust.why}` } satisfies Finding]),
  ];
}

/** A sandbox that could never be recognised, because its token is not there or nothing listens where it comes from. */
function matchFindings(entry: MatchSpec, index: number, settings: Settings, readings: Readings): readonly Finding[] {
  const warning = (key: string, text: string): Finding => ({
    level: 'warning',
    place: entry.place,
    path: formatPath(['sandbox', 'match', index, key]),
    text,
  });
  const token = entry.token === null ? null : problemOf(entry.token, readings);
  const { listener } = entry;
  const listens = listener === null || listenersOf(settings).some(({ text }) => text === listener);
  return [
    ...(token === null ? [] : [warning('token', token)]),
    ...(listens
      ? []
      : [warning('listener', `"${listener}" is not in "listen" of postern.yaml, so nobody comes by it`)]),
  ];
}

const listenersOf = ({ listen }: Settings): readonly ListenAddress[] => [
  ...listen.proxy,
  ...listen.transparent.map(({ address }) => address),
  ...listen.dns,
];

function problemOf(source: SecretSource, readings: Readings): string | null {
  const reading = readings.get(sourceKey(source));
  if (reading === undefined) return null;
  return reading.resolved instanceof Secret
    ? reading.warning
    : `the token is not available: ${reading.resolved.unavailable}`;
}

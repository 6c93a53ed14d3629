import { errorCode } from '../errors.ts';
import type { Finding, SecretSource } from '../policy/model.ts';
import { isSame, readSources, type Reading as SecretReading } from '../secrets/sources.ts';
import { AuthorityError } from '../tls/authority.ts';
import { type LoadedAuthority, loadAuthority, loadOrCreateAuthority } from '../tls/authority-files.ts';
import { authorityPaths } from '../tls/authority-paths.ts';
import { readTrust, type TrustReading } from '../tls/upstream-context.ts';
import { withForwardsAllowed } from './forwards.ts';
import { type Choice, chooseSandboxes, type GovernedByName } from './in-force.ts';
import type { FileLoader, LoadedFiles } from './loader.ts';
import type { Settings } from './settings.ts';
import { keepFixed, type Overrides, withOverrides } from './settings-in-force.ts';
import { sourcesOfSettings } from './settings-secrets.ts';

/** Where everything is read from; the same for the life of the process. */
export interface Sources {
  readonly folder: string;
  readonly settingsFile: string;
  readonly settingsRequired: boolean;
  readonly overrides: Overrides;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What the previous generation says about how to read the next. */
export interface Before {
  readonly firstSettings: Settings;
  readonly governed: GovernedByName;
  readonly caDir: string;
}

/** Everything that a generation is made of, as it stood at one moment: files, and the values that they point at. */
export interface Reading {
  readonly files: LoadedFiles;
  readonly settings: Settings;
  readonly restartRequired: readonly string[];
  readonly governed: GovernedByName;
  readonly findings: readonly Finding[];
  readonly secrets: ReadonlyMap<string, SecretReading>;
  readonly trust: TrustReading;
  readonly authority: LoadedAuthority | AuthorityError;
}

/** postern.yaml does not load, and with it nothing does (SEMANTICS.md 10). */
export interface Refused {
  readonly files: LoadedFiles;
  readonly settings: null;
  readonly findings: readonly Finding[];
}

/** Reads everything once. @throws LoadError if the loading thread failed */
export async function readEverything(
  loader: FileLoader,
  sources: Sources,
  before: Before | null,
): Promise<Reading | Refused> {
  const { folder, settingsFile, settingsRequired, overrides, environment } = sources;
  const policies = before?.firstSettings.policies ?? overrides.policies ?? null;
  const files = await loader.load({ folder, settingsFile, settingsRequired, policies });
  if (files.settings === null) return { files, settings: null, findings: files.settingsFindings };
  const wanted = withOverrides(files.settings, overrides);
  const { settings, restartRequired } = keepFixed(wanted, before?.firstSettings ?? wanted);
  const choice = onlySandbox(
    chooseSandboxes(withForwardsAllowed(files, settings), before?.governed ?? new Map()),
    overrides.sandbox,
  );
  const [secrets, trust, authority] = await Promise.all([
    readSources(sourcesOf(settings, choice.governed), environment, settings.strictFiles),
    readTrust(settings.upstream.trust),
    readAuthority(settings.ca.dir, before),
  ]);
  const findings = [...files.settingsFindings, ...choice.findings];
  return { files, settings, restartRequired, governed: choice.governed, findings, secrets, trust, authority };
}

/** A proxy for one sandbox alone has no need to tell its clients apart. */
function onlySandbox(choice: Choice, name: string | undefined): Choice {
  if (name === undefined) return choice;
  const found = choice.governed.get(name);
  const entries = found === undefined ? [] : [[name, { ...found, spec: { ...found.spec, match: null } }] as const];
  return { ...choice, governed: new Map(entries) };
}

/** A CA is made where none is, but never while we run with one: `git checkout` or a lost mount must not change whom clients trust. */
async function readAuthority(dir: string, before: Before | null): Promise<LoadedAuthority | AuthorityError> {
  const nowMs = Date.now();
  try {
    if (before?.caDir !== dir) return await loadOrCreateAuthority({ dir, nowMs });
    const gone = new AuthorityError(dir, 'has no CA any more', 'put ca.pem and ca-key.pem back');
    return (await loadAuthority(dir, nowMs)) ?? gone;
  } catch (error) {
    if (error instanceof AuthorityError) return error;
    return new AuthorityError(dir, `cannot be read (${errorCode(error)})`, 'put ca.pem and ca-key.pem there');
  }
}

/** Every place that a value comes from: secrets, the tokens of sandboxes, and what postern.yaml itself has. */
function sourcesOf(settings: Settings, governed: GovernedByName): readonly SecretSource[] {
  const ofSandboxes = [...governed.values()].flatMap(({ spec }) => [
    ...spec.secrets.map(({ source }) => source),
    ...(spec.match ?? []).flatMap(({ token }) => token ?? []),
  ]);
  return [...sourcesOfSettings(settings).map(({ source }) => source), ...ofSandboxes];
}

/** Every file that a reading came from, to be watched. */
export function filesOf({ settings, governed, authority }: Reading, { settingsFile }: Sources): readonly string[] {
  const secrets = sourcesOf(settings, governed).flatMap((source) => (source.kind === 'file' ? [source.path] : []));
  const { ca, key } = authority instanceof AuthorityError ? authorityPaths(settings.ca.dir) : authority.paths;
  return [settingsFile, ...secrets, ...settings.upstream.trust, ca, key];
}

/** Whether two readings saw the same texts and values, so that nothing was being written in between. */
export function isSameReading(one: Reading | Refused, other: Reading | Refused): boolean {
  if (textsOf(one.files) !== textsOf(other.files)) return false;
  if (one.settings === null || other.settings === null) return one.settings === other.settings;
  return (
    isSameSecrets(one.secrets, other.secrets) &&
    JSON.stringify(one.trust) === JSON.stringify(other.trust) &&
    authorityId(one.authority) === authorityId(other.authority)
  );
}

export function isSameSecrets(
  some: ReadonlyMap<string, SecretReading>,
  others: ReadonlyMap<string, SecretReading>,
): boolean {
  if (some.size !== others.size) return false;
  return [...some].every(([key, { resolved }]) => {
    const other = others.get(key);
    return other !== undefined && isSame(resolved, other.resolved);
  });
}

/** Names and hashes of all texts, those that do not load included. */
function textsOf(files: LoadedFiles): string {
  const policies = files.policies.map(({ file, hash }) => [file, hash]);
  return JSON.stringify([files.settings?.hash ?? files.settingsFindings, policies, files.policiesFindings]);
}

const authorityId = (authority: LoadedAuthority | AuthorityError): string =>
  authority instanceof AuthorityError ? authority.message : authority.authority.id;

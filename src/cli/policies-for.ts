import { resolve } from 'node:path';
import { formatFinding, hasErrors } from '../policy/finding.ts';
import type { SandboxSpec } from '../policy/model.ts';
import { groupSandboxes } from '../policy/reading/sandboxes.ts';
import { forwardFindings } from '../runtime/forwards.ts';
import { readFiles } from '../runtime/read-files.ts';
import { defaultSettings } from '../runtime/read-settings.ts';
import type { CommandIo } from './command.ts';
import { RefusedError, UsageError } from './failure.ts';

/** Which policies a command is about, as its options say. */
export interface PoliciesWanted {
  readonly policy?: string | undefined;
  readonly config?: string | undefined;
}

const NAMES_SHOWN_MAX = 10;

/**
 * The sandboxes of the policies that `serve` would read, for commands that look at one of them. Throws `RefusedError` with what is wrong
 * in the files: an error among them is no basis to tell anything from.
 */
export function sandboxesFor({ policy, config }: PoliciesWanted, io: CommandIo): readonly SandboxSpec[] {
  const reading = readFiles({
    folder: io.cwd,
    settingsFile: resolve(io.cwd, config ?? 'postern.yaml'),
    settingsRequired: config !== undefined,
    policies: policy === undefined ? null : resolve(io.cwd, policy),
    known: new Map(),
  });
  const settings = reading.settings ?? defaultSettings(io.cwd);
  const parsedFiles = reading.policies.flatMap((each) => (each.kind === 'parsed' ? [each] : []));
  const { sandboxes, findings } = groupSandboxes(parsedFiles.flatMap(({ spec }) => (spec === null ? [] : [spec])));
  const all = [
    ...(policy === undefined ? reading.settingsFindings : []),
    ...reading.policiesFindings,
    ...parsedFiles.flatMap((each) => each.findings),
    ...parsedFiles.flatMap(({ spec }) => (spec === null ? [] : forwardFindings(spec, settings))),
    ...findings,
  ];
  const errors = all.filter(({ level }) => level === 'error');
  if (hasErrors(all)) throw new RefusedError(errors.map((each) => formatFinding(each)).join('\n'));
  return sandboxes;
}

/** The sandbox of that name, or the only one; null where there is more than one and no name. Throws `UsageError` for a name that is none. */
export function namedOrOnly(sandboxes: readonly SandboxSpec[], name: string | undefined): SandboxSpec | null {
  if (name === undefined) return sandboxes.length === 1 ? (sandboxes[0] ?? null) : null;
  const found = sandboxes.find((each) => each.name === name);
  if (found === undefined) throw new UsageError(`there is no sandbox "${name}": ${namesOf(sandboxes)}`);
  return found;
}

/** Some of their names, for a message. */
export function namesOf(sandboxes: readonly SandboxSpec[]): string {
  const names = sandboxes.slice(0, NAMES_SHOWN_MAX).map(({ name }) => name);
  return `${names.join(', ')}${sandboxes.length > names.length ? ', …' : ''}`;
}

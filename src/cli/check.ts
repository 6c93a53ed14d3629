import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatFinding, hasErrors } from '../policy/finding.ts';
import type { Finding } from '../policy/model.ts';
import { type Checked, checkFiles } from '../runtime/check-files.ts';
import type { CommandIo } from './command.ts';
import { reportFailure, UsageError } from './failure.ts';

export const help = `postern check [--config FILE] [PATH…]

Reads postern.yaml and the policies that it names, and prints what is wrong (exit status 1) or doubtful (0) with them:

  file:line:column  path.to.key  what is wrong; what to write

  PATH            a policy file, or a folder whose *.yaml are read; or a postern.yaml, which is checked with its policies.
                  Without one: ./postern.yaml if it is there, and its policies
  --config FILE   another postern.yaml

Secrets are looked for too, where they would be read from. One that cannot be had is a warning: it stops nobody from starting.
`;

const CONFIG_NAME = 'postern.yaml';

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    const { config, paths } = argumentsOf(args);
    const checks = await Promise.all(targetsOf(config, paths).map((target) => checkTarget(target, io)));
    const findings = distinct(checks.flatMap((check) => check.findings));
    for (const finding of findings) io.out(`${formatFinding(finding)}\n`);
    io.out(summaryOf(checks, findings));
    return hasErrors(findings) ? 1 : 0;
  } catch (error) {
    return reportFailure(error, 'postern check', help, io);
  }
}

function argumentsOf(args: readonly string[]): {
  readonly config: string | undefined;
  readonly paths: readonly string[];
} {
  try {
    const options = { config: { type: 'string' } } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    return { config: values.config, paths: positionals };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the arguments cannot be read');
  }
}

/** One thing to check: a configuration with its policies, or policies alone, as they would be read under a configuration. */
interface Target {
  readonly config: string | undefined;
  readonly policies: string | null;
}

function targetsOf(config: string | undefined, paths: readonly string[]): readonly Target[] {
  if (paths.length === 0) return [{ config, policies: null }];
  return paths.map((path) =>
    basename(path) === CONFIG_NAME ? { config: path, policies: null } : { config, policies: path },
  );
}

function checkTarget({ config, policies }: Target, io: CommandIo): Promise<Checked> {
  return checkFiles({
    folder: io.cwd,
    settingsFile: resolve(io.cwd, config ?? CONFIG_NAME),
    settingsRequired: config !== undefined,
    policies: policies === null ? null : resolve(io.cwd, policies),
    environment: io.env,
  });
}

/** The same file may be checked twice, as itself and in its folder. */
const distinct = (findings: readonly Finding[]): readonly Finding[] => [
  ...new Map(findings.map((finding) => [formatFinding(finding), finding])).values(),
];

function summaryOf(checks: readonly Checked[], findings: readonly Finding[]): string {
  const errors = findings.filter(({ level }) => level === 'error').length;
  const files = new Set(checks.flatMap((check) => check.files)).size;
  const rules = checks.flatMap((check) => check.sandboxes).reduce((sum, sandbox) => sum + sandbox.rules.length, 0);
  const sandboxes = new Set(checks.flatMap((check) => check.sandboxes.map(({ name }) => name))).size;
  const read = `${count(files, 'file')}, ${count(sandboxes, 'sandbox')}, ${count(rules, 'rule')}`;
  return `${read}: ${count(errors, 'error')}, ${count(findings.length - errors, 'warning')}\n`;
}

const count = (number: number, word: string): string =>
  `${number} ${word}${number === 1 ? '' : word.endsWith('x') ? 'es' : 's'}`;

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type ListenAddress, parseListenAddress } from '../address/listen-address.ts';
import { formatFinding, hasErrors } from '../policy/finding.ts';
import type { SandboxSpec } from '../policy/model.ts';
import { checkFiles } from '../runtime/check-files.ts';
import { StartError } from '../runtime/runtime.ts';
import type { Settings } from '../runtime/settings.ts';
import type { CommandIo } from './command.ts';
import { RefusedError, reportFailure, UsageError } from './failure.ts';
import { namedOrOnly, namesOf } from './policies-for.ts';
import { type Command, runChild } from './run/child.ts';
import { commandEnvironment, secretVariables } from './run/environment.ts';
import { type Isolation, isolationFor, runIsolated } from './run/isolation.ts';
import { endAs, type Outcome } from './run/outcome.ts';
import { type PrivateProxy, startPrivateProxy } from './run/private-proxy.ts';
import { SignalRelay } from './run/signals.ts';
import { ServeError } from './server.ts';
import { settingsFor } from './settings-for.ts';

export const help = `postern run [--policy PATH] [--sandbox NAME] [--config FILE] [--isolate [--user USER]] [--audit FILE] [--verbose] -- CMD ARGS…

Runs one command behind a proxy of its own, which nobody else needs to know of and which ends with it. The command gets our environment
without the variables that hold secrets, and what "postern env" prints. Its input, output, signals and exit status are passed on.

  --policy PATH   a policy file, or a folder whose *.yaml are read (default: where postern.yaml says, else policies/)
  --sandbox NAME  whose policy it is, where there is more than one; its "match" does not matter here
  --config FILE   postern.yaml; its listeners, "ca" and "state" do not matter here
  --isolate       the command gets another user and namespaces of its own: its only way out is the proxy. Needs root, util-linux and iproute2
  --user USER     that user, by name or number (default: nobody)
  --audit FILE    where audit lines go (default: the file of log.audit in postern.yaml, else nowhere)
  --verbose       audit lines, if they have no file, and all of the log on standard error; else errors alone
  --ca-dir DIR    a CA that stays (default: one that is made for this run)
  --admin ADDR    an admin listener (default: none)

Exit status: the command's own; 128+N if signal N ended it (or we end by the same signal: HUP, INT, TERM); 127 if there is no such command,
126 if it cannot be started. Before it starts: 1 if policy or configuration is wrong, 2 for usage.
`;

const OPTIONS = {
  policy: { type: 'string' },
  sandbox: { type: 'string' },
  config: { type: 'string' },
  isolate: { type: 'boolean', default: false },
  user: { type: 'string' },
  audit: { type: 'string' },
  verbose: { type: 'boolean', default: false },
  'ca-dir': { type: 'string' },
  admin: { type: 'string', multiple: true },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

interface Wanted {
  readonly values: Values;
  readonly admin: readonly ListenAddress[];
  readonly command: Command;
}

/** What the files say, without an error. */
interface Files {
  readonly settings: Settings;
  readonly sandboxes: readonly SandboxSpec[];
  readonly sandbox: SandboxSpec;
}

const UNISOLATED =
  'postern run: the command runs as this user, so if it is hostile it can read the secrets (memory, files); --isolate keeps it from them\n';

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const relay = new SignalRelay();
  try {
    const wanted = wantedOf(args);
    const isolation = wanted.values.isolate ? isolationFor(wanted.values.user, io.env) : null;
    const files = await filesFor(wanted.values, io);
    if (files === null) return 1;
    const outcome = await runBehindProxy(wanted, files, { isolation, relay, io });
    relay.close();
    if (outcome.kind === 'refused') throw new RefusedError(`postern run: ${outcome.why}`);
    return endAs(outcome);
  } catch (error) {
    if (error instanceof StartError) io.err(error.findings.map((each) => `${formatFinding(each)}\n`).join(''));
    else if (error instanceof ServeError) io.err(`postern run: ${error.message}\n`);
    else return reportFailure(error, 'postern run', help, io);
    return 1;
  } finally {
    relay.close();
  }
}

function wantedOf(args: readonly string[]): Wanted {
  const end = args.indexOf('--');
  const [program, ...rest] = end === -1 ? [] : args.slice(end + 1);
  const values = valuesOf(end === -1 ? args : args.slice(0, end));
  if (program === undefined || program === '') throw new UsageError('write the command behind "--"');
  if (values.user !== undefined && !values.isolate) throw new UsageError('--user goes with --isolate');
  return { values, admin: (values.admin ?? []).map(adminAddress), command: { program, args: rest } };
}

function valuesOf(args: readonly string[]): Values {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the arguments cannot be read');
  }
}

function adminAddress(text: string): ListenAddress {
  const reading = parseListenAddress(text);
  if (!reading.ok) throw new UsageError(`--admin "${text}" ${reading.why}`);
  return reading.address;
}

/** Reads and judges the files as `check` does; null if they have an error. What is wrong or doubtful has then been said. */
async function filesFor(values: Values, io: CommandIo): Promise<Files | null> {
  const settings = await settingsFor(io, values.config);
  if (settings === null) return null;
  const { findings, sandboxes } = await checkFiles({
    folder: io.cwd,
    settingsFile: resolve(io.cwd, values.config ?? 'postern.yaml'),
    settingsRequired: values.config !== undefined,
    policies: values.policy === undefined ? null : resolve(io.cwd, values.policy),
    environment: io.env,
  });
  for (const finding of findings) io.err(`${formatFinding(finding)}\n`);
  return hasErrors(findings) ? null : { settings, sandboxes, sandbox: chosen(sandboxes, values.sandbox) };
}

function chosen(sandboxes: readonly SandboxSpec[], name: string | undefined): SandboxSpec {
  if (sandboxes.length === 0)
    throw new RefusedError('there is no policy, so all would be denied; "postern init" writes one');
  const found = namedOrOnly(sandboxes, name);
  if (found === null) throw new UsageError(`name a sandbox with --sandbox: ${namesOf(sandboxes)}`);
  return found;
}

interface Place {
  readonly isolation: Isolation | null;
  readonly relay: SignalRelay;
  readonly io: CommandIo;
}

async function runBehindProxy(wanted: Wanted, files: Files, place: Place): Promise<Outcome> {
  const { isolation, relay, io } = place;
  const { values } = wanted;
  const sources = sourcesFor(wanted, files, io);
  const caDir = values['ca-dir'] === undefined ? null : resolve(io.cwd, values['ca-dir']);
  const proxy = await startPrivateProxy({ sources, isolate: isolation !== null, caDir });
  try {
    if (relay.early !== null) return { kind: 'signal', signal: relay.early };
    if (isolation === null) return await runBeside(wanted.command, files, proxy, place);
    const hidden = secretVariables(files.sandboxes, files.settings);
    const exposed = { ...files, policies: sources.overrides.policies ?? files.settings.policies, caDir: caDir ?? null };
    return await runIsolated({ ...wanted, isolation, hidden, exposed, proxy, relay, io });
  } finally {
    await proxy.close();
  }
}

function sourcesFor({ values, admin }: Wanted, { settings, sandbox }: Files, io: CommandIo) {
  const { audit } = settings.log;
  const elsewhere = audit === 'stdout' ? (values.verbose ? 'stderr' : '/dev/null') : audit;
  return {
    folder: io.cwd,
    settingsFile: resolve(io.cwd, values.config ?? 'postern.yaml'),
    settingsRequired: values.config !== undefined,
    overrides: {
      admin,
      audit: values.audit === undefined ? elsewhere : resolve(io.cwd, values.audit),
      stateless: true,
      sandbox: sandbox.name,
      ...(values.verbose ? {} : { logLevel: 'error' as const }),
      ...(values.policy === undefined ? {} : { policies: resolve(io.cwd, values.policy) }),
    },
    environment: { ...io.env },
  } as const;
}

async function runBeside(command: Command, files: Files, proxy: PrivateProxy, place: Place): Promise<Outcome> {
  const { relay, io } = place;
  io.err(UNISOLATED);
  const surroundings = { proxyUrl: `http://${proxy.listener}`, shown: proxy.folder.shown, sandbox: files.sandbox };
  const env = commandEnvironment(io.env, secretVariables(files.sandboxes, files.settings), surroundings);
  return await runChild(command, env, relay);
}

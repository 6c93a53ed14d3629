import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import type { SandboxSpec } from '../../policy/model.ts';
import type { Settings } from '../../runtime/settings.ts';
import type { CommandIo } from '../command.ts';
import { RefusedError, UsageError } from '../failure.ts';
import type { Command, Environment } from './child.ts';
import { commandEnvironment, secretSources } from './environment.ts';
import { INSIDE, type Plan, readMessages, writeMessage } from './inside.ts';
import type { Outcome } from './outcome.ts';
import type { PrivateProxy } from './private-proxy.ts';
import type { SignalRelay } from './signals.ts';

/** The user that an isolated command runs as. */
export interface Isolation {
  readonly uid: number;
  readonly gid: number;
}

const PROGRAMS = ['unshare', 'setpriv', 'mount', 'umount', 'ip', 'sh', 'id'];

/** Throws `RefusedError` where the machine cannot isolate, and `UsageError` for a user that is none or is us. */
export function isolationFor(user: string | undefined, env: Environment): Isolation {
  if (process.platform !== 'linux') throw new RefusedError('postern run: --isolate needs Linux');
  if (process.getuid?.() !== 0) throw new RefusedError('postern run: --isolate needs root; start it with sudo');
  const missing = PROGRAMS.filter((program) => !isInstalled(program, env));
  if (missing.length > 0)
    throw new RefusedError(`postern run: --isolate needs ${missing.join(', ')} (packages util-linux and iproute2)`);
  const uid = idOf('-u', user ?? 'nobody');
  const gid = idOf('-g', user ?? 'nobody');
  if (uid === 0) throw new UsageError('--user is our own; an isolated command has another');
  return { uid, gid };
}

const isInstalled = (program: string, { PATH = '' }: Environment): boolean =>
  PATH.split(':').some((folder) => existsSync(`${folder}/${program}`));

/** A number needs no entry in passwd. */
function idOf(kind: '-u' | '-g', user: string): number {
  if (/^\d{1,9}$/.test(user)) return Number(user);
  try {
    return Number(execFileSync('id', [kind, '--', user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    throw new UsageError(`--user: there is no user "${user}"`);
  }
}

/** What the command could learn or change if rights of files are wrong. */
export interface Exposed {
  readonly settings: Settings;
  readonly sandboxes: readonly SandboxSpec[];
  readonly sandbox: SandboxSpec;
  readonly policies: string;
  readonly caDir: string | null;
}

export interface IsolatedRun {
  readonly command: Command;
  readonly isolation: Isolation;
  readonly hidden: ReadonlySet<string>;
  readonly exposed: Exposed;
  readonly proxy: PrivateProxy;
  readonly relay: SignalRelay;
  readonly io: CommandIo;
}

const ENTRY = new URL('./inside-main.js', import.meta.url);
const NAMESPACES = ['--mount', '--net', '--pid', '--ipc', '--uts', '--fork', '--kill-child', '--mount-proc'];
/** The keys of a terminal reach every process of the group; `unshare` must not end before what it started. */
const IGNORING_KEYS = 'trap "" HUP INT QUIT TERM USR1 USR2; exec "$@"';

/**
 * Runs the command as another user, in namespaces whose network is a loopback and no more. Our second process, the first in there,
 * carries its connections to the socket of the proxy; it and all in there end when we do, however that happens, since it watches the
 * channel that it was given.
 */
export function runIsolated(run: IsolatedRun): Promise<Outcome> {
  const { relay, io } = run;
  // Nothing of our environment: its `environ` is inside.
  const env = { PATH: io.env.PATH };
  const inner = [process.execPath, '--disable-sigusr1', ENTRY.pathname];
  const child = spawn('sh', ['-c', IGNORING_KEYS, 'sh', 'unshare', ...NAMESPACES, '--', ...inner], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env,
  });
  // The fourth is the pipe asked for above: a socket, both ways.
  const channel = child.stdio[3] as Duplex;
  channel.on('error', () => {});
  writeMessage(channel, planOf(run));
  relay.relayTo((signal) => writeMessage(channel, { signal }));
  let told: Outcome | null = null;
  readMessages(channel, (message) => {
    told = message as Outcome; // our own process wrote it
  });
  return new Promise((ended) => {
    child.once('error', () => ended(FAILED));
    // `close` comes after the channel's last message.
    child.once('close', () => ended(told ?? FAILED));
  });
}

const FAILED: Outcome = {
  kind: 'refused',
  why: 'the namespaces could not be made, or were ended from outside; in a container that needs CAP_SYS_ADMIN',
};

function planOf({ command, isolation, hidden, exposed, proxy, io }: IsolatedRun): Plan {
  const { settings, sandboxes, sandbox, policies, caDir } = exposed;
  const surroundings = { proxyUrl: `http://127.0.0.1:${INSIDE.port}`, shown: INSIDE.shown, sandbox };
  const { TMPDIR: _tmpdir, ...env } = commandEnvironment(io.env, hidden, surroundings);
  const secrets = secretSources(sandboxes, settings.admin.token);
  return {
    command,
    ...isolation,
    env: { ...env, HOME: INSIDE.home, PWD: io.cwd },
    cwd: io.cwd,
    folder: proxy.folder,
    sockets: pathSockets(),
    unreadable: [
      ...secrets.flatMap((source) => (source.kind === 'file' ? [source.path] : [])),
      ...(caDir === null ? [] : [`${caDir}/ca-key.pem`]),
    ],
    unwritable: [
      policies,
      ...sandboxes.flatMap(({ files }) => files),
      ...settings.upstream.trust,
      settings.file ?? 'postern.yaml',
    ].map((file) => resolve(io.cwd, file)),
  };
}

/** Sockets that have a path: unlike ports and abstract names these do not stay outside of a network namespace (unix(7)). */
function pathSockets(): readonly string[] {
  const lines = readFileSync('/proc/net/unix', 'utf8').split('\n').slice(1);
  const paths = lines.flatMap((line) => /^(?:\S+ +){7}(\/.*)$/.exec(line)?.[1] ?? []);
  return [...new Set(paths)];
}

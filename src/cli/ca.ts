import path from 'node:path';
import { parseArgs } from 'node:util';
import { AuthorityError } from '../tls/authority.ts';
import { ROOT_DAYS } from '../tls/authority-creation.ts';
import { type LoadedAuthority, loadAuthority, loadOrCreateAuthority } from '../tls/authority-files.ts';
import { refreshBundle } from '../tls/bundle.ts';
import { exportAuthority, presentAuthority } from './ca-export.ts';
import type { CommandIo } from './command.ts';
import { RefusedError, reportFailure, UsageError } from './failure.ts';
import { settingsFor } from './settings-for.ts';
import { DEFAULT_PASSWORD } from './trust-store.ts';

export const help = `postern ca init   [--dir certs] [--days ${ROOT_DAYS}] [--name NAME]
postern ca show   [--dir certs]
postern ca export --format pem|bundle|p12 [--out FILE] [--password-file FILE] [--dir certs]

The certificate authority that signs for intercepted hosts. Sandboxes trust ca.pem; ca-key.pem never leaves this machine.

  init     makes ca.pem and ca-key.pem; "serve" and "env" do so too where there is none. What is there is never replaced.
  show     who the CA is, and where its files are
  export   pem      ca.pem, for clients that add it to their roots
           bundle   ca.pem and the roots of this machine, for clients whose setting replaces their roots
           p12      the same as a trust store for Java, in truststore.p12 beside ca.pem unless --out says where

  --dir DIR             the folder of the CA (default: ca.dir of postern.yaml, else certs/)
  --config FILE         postern.yaml
  --days N              how long the root lasts
  --name NAME           its common name
  --out FILE            where to write (default: standard output)
  --password-file FILE  the password of the trust store (default: "${DEFAULT_PASSWORD}", Java's own; Java reads the store without it too)
`;

const OPTIONS = {
  dir: { type: 'string' },
  config: { type: 'string' },
  days: { type: 'string' },
  name: { type: 'string' },
  format: { type: 'string' },
  out: { type: 'string' },
  'password-file': { type: 'string' },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

/** Which flags each action takes, besides --dir and --config. */
const ACTIONS = {
  init: { flags: ['days', 'name'], run: init },
  show: { flags: [], run: show },
  export: { flags: ['format', 'out', 'password-file'], run: exportCa },
} as const satisfies Record<string, { flags: readonly (keyof Values)[]; run: Action }>;

type Action = (dir: string, values: Values, io: CommandIo) => Promise<number>;

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    const { action, values } = actionOf(args);
    const dir = values.dir ?? (await settingsFor(io, values.config))?.ca.dir;
    return dir === undefined ? 1 : await action(path.resolve(io.cwd, dir), values, io);
  } catch (error) {
    return reportFailure(error, 'postern ca', help, io);
  }
}

function actionOf(args: readonly string[]): { readonly action: Action; readonly values: Values } {
  const [name = '', ...rest] = args;
  if (name === 'rotate') {
    throw new RefusedError(
      'postern ca rotate  is not there yet; move ca.pem and ca-key.pem away and run "postern ca init"',
    );
  }
  const action = Object.entries(ACTIONS).find(([known]) => known === name)?.[1];
  if (action === undefined) throw new UsageError(name === '' ? 'say init, show or export' : `there is no "${name}"`);
  const values = valuesOf(rest);
  const allowed: readonly string[] = ['dir', 'config', ...action.flags];
  const foreign = Object.keys(values).find((flag) => !allowed.includes(flag));
  if (foreign !== undefined) throw new UsageError(`${name} takes no --${foreign}`);
  return { action: action.run, values };
}

function valuesOf(args: readonly string[]): Values {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the arguments cannot be read');
  }
}

async function init(dir: string, values: Values, io: CommandIo): Promise<number> {
  const days = daysOf(values.days);
  const commonName = nameOf(values.name);
  const nowMs = Date.now();
  const present = await loadAuthority(dir, nowMs);
  const loaded = present ?? (await loadOrCreateAuthority({ dir, nowMs, days, commonName }));
  if (!loaded.created) {
    const remedy = 'it was left as it is; to have another, move ca.pem and ca-key.pem away first';
    throw new AuthorityError(loaded.paths.ca, `is there already (${loaded.authority.subject})`, remedy);
  }
  await writeBundle(loaded, io);
  print(loaded, io);
  return 0;
}

/** 100 years: a date past 9999 cannot be written in a certificate, and nobody means it. */
const DAYS_MAX = 36_500;

function daysOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const days = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (days < 1 || days > DAYS_MAX) throw new UsageError(`--days is a number from 1 to ${DAYS_MAX}`);
  return days;
}

/** A common name has at most 64 characters (RFC 5280 appendix A.1, ub-common-name). */
function nameOf(text: string | undefined): string | undefined {
  if (text !== undefined && !/^[^\p{C}]{1,64}$/u.test(text))
    throw new UsageError('--name has 1 to 64 printable characters');
  return text;
}

async function show(dir: string, _values: Values, io: CommandIo): Promise<number> {
  print(await presentAuthority(dir), io);
  return 0;
}

function print({ authority, paths }: LoadedAuthority, io: CommandIo): void {
  const day = (date: Date): string => date.toISOString().slice(0, 10);
  const lines = [
    ['subject', authority.subject],
    ['SHA-256', authority.fingerprint],
    ['valid', `${day(authority.notBefore)} to ${day(authority.notAfter)}`],
    ['ca.pem', `${paths.ca}  (sandboxes trust this)`],
    ['bundle.pem', `${paths.bundle}  (with the roots of this machine)`],
    ['ca-key.pem', `${paths.key}  (stays here)`],
  ];
  io.out(lines.map(([name = '', value]) => `${name.padEnd(12)}${value}\n`).join(''));
}

async function writeBundle({ authority, paths }: LoadedAuthority, io: CommandIo): Promise<void> {
  const outcome = await refreshBundle(paths.bundle, authority.caPem);
  if (outcome.kind === 'failed') io.err(`${paths.bundle}  warning: cannot be written (${outcome.code})\n`);
}

function exportCa(dir: string, values: Values, io: CommandIo): Promise<number> {
  const { format, out, 'password-file': passwordFile } = values;
  if (format !== 'pem' && format !== 'bundle' && format !== 'p12') {
    throw new UsageError('--format is pem, bundle or p12');
  }
  if (passwordFile !== undefined && format !== 'p12') throw new UsageError('--password-file goes with --format p12');
  return exportAuthority({ dir, format, out: out ?? null, passwordFile: passwordFile ?? null }, io);
}

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type ListenAddress, parseListenAddress } from '../address/listen-address.ts';
import type { CommandIo } from './command.ts';
import { serveUntilSignal } from './serve-process.ts';

export const help = `postern serve [--config postern.yaml] [--policy PATH] [--listen ADDR] [--admin ADDR]

Runs the proxy until SIGTERM or SIGINT. Without flags and files it starts on its defaults, makes a CA in certs/ and reads policies/.

  --config FILE    how the process runs (default: postern.yaml, if it is there)
  --policy PATH    a policy file or a folder of them, instead of the one in the config
  --listen ADDR    where the proxy listens, e.g. 127.0.0.1:8080; may be given more than once
  --admin ADDR     where health, metrics and API listen, e.g. 127.0.0.1:9464 or unix:/run/postern.sock

Signals: SIGHUP reads everything again, SIGUSR2 opens the audit file again, SIGTERM and SIGINT drain and stop.
`;

const OPTIONS = {
  config: { type: 'string' },
  policy: { type: 'string' },
  listen: { type: 'string', multiple: true },
  admin: { type: 'string', multiple: true },
} as const;

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  let values: ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];
  try {
    ({ values } = parseArgs({ args: [...args], options: OPTIONS, strict: true }));
  } catch (error) {
    return usage(io, error instanceof Error ? error.message : 'the arguments cannot be read');
  }
  const proxy = addressesOf(values.listen);
  const admin = addressesOf(values.admin);
  if (typeof proxy === 'string') return usage(io, `--listen ${proxy}`);
  if (typeof admin === 'string') return usage(io, `--admin ${admin}`);
  const status = await serveUntilSignal({
    folder: io.cwd,
    settingsFile: resolve(io.cwd, values.config ?? 'postern.yaml'),
    settingsRequired: values.config !== undefined,
    overrides: {
      ...(proxy === null ? {} : { proxy }),
      ...(admin === null ? {} : { admin }),
      ...(values.policy === undefined ? {} : { policies: resolve(io.cwd, values.policy) }),
    },
    environment: { ...io.env },
  });
  // Everything was written. A question to DNS or a dial that nobody waits for any more would hold the process for its own time limit.
  process.exit(status);
}

/** The addresses; null if none was given; or what is wrong with one. */
function addressesOf(texts: readonly string[] | undefined): readonly ListenAddress[] | null | string {
  if (texts === undefined) return null;
  const addresses: ListenAddress[] = [];
  for (const text of texts) {
    const reading = parseListenAddress(text);
    if (!reading.ok) return `"${text}" ${reading.why}`;
    addresses.push(reading.address);
  }
  return addresses;
}

function usage(io: CommandIo, why: string): number {
  io.err(`postern serve: ${why}\n\n${help}`);
  return 2;
}

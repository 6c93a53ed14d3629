import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { expectUnharmed } from './attack.ts';
import { type ClientOrigin, type ClientOriginOptions, type Seen, startClientOrigin } from './client-origin.ts';
import { shared } from './closing.ts';
import { type CommandOptions, type CommandResult, runCommand } from './command.ts';
import { type Postern, type PosternOptions, startPostern } from './postern.ts';
import { loopback, SECRET } from './scene.ts';
import { sweepClient } from './sweep.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/postern.js', import.meta.url));

/** A sandbox: a home, and an environment that holds what `postern env` printed and nothing else of this machine's but `PATH`. */
export interface ClientWorld {
  readonly postern: Postern;
  /** By the name that was given to it. */
  origin(name: string): ClientOrigin;
  /** `https://origin.test:PORT` of that origin. */
  url(name: string): string;
  readonly home: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Runs a program in the home, with the environment alone. */
  run(program: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

export interface ClientWorldOptions {
  readonly origins: Readonly<Record<string, ClientOriginOptions>>;
  /** `rules:` of the policy, with what stands before them; default: a bearer for everything on each origin. */
  readonly policy?: (ports: Readonly<Record<string, number>>) => string;
  /** Exports the store for Java first. */
  readonly java?: true;
  /** Where names other than those of the tests lead. */
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  readonly files?: PosternOptions['files'];
}

/** One Postern with its origins, for all tests of a file. */
export function clientWorld(options: ClientWorldOptions): () => ClientWorld {
  return shared(
    () => start(options),
    ({ postern }) => expectUnharmed(postern),
  );
}

async function start(options: ClientWorldOptions): Promise<ClientWorld> {
  const origins = new Map<string, ClientOrigin>();
  for (const [name, wanted] of Object.entries(options.origins)) origins.set(name, await startClientOrigin(wanted));
  const ports = Object.fromEntries([...origins].map(([name, { port }]) => [name, port]));
  const postern = await startPostern({
    policies: `version: 1\nsecrets: { token: { file: ../secret.txt } }\n${(options.policy ?? rulesFor(options))(ports)}`,
    ...placed(options),
  });
  // In the folder that is searched for secrets when the test is over, with all that clients leave in it.
  const home = join(postern.folder, 'home');
  mkdirSync(home);
  if (options.java) await posternCommand(postern, 'ca', 'export', '--format', 'p12');
  const environment = { HOME: home, LANG: 'C.UTF-8', ...(await environmentOf(postern)) };
  const origin = (name: string): ClientOrigin => {
    const found = origins.get(name);
    if (found === undefined) throw new Error(`there is no origin ${name}`);
    return found;
  };
  return {
    postern,
    home,
    environment,
    origin,
    url: (name) => urlOf(options.origins[name], origin(name).port),
    run: async (program, args, { env = {}, ...more } = {}) => {
      const result = await runCommand(program, args, { cwd: home, ...more, env: { ...environment, ...env } });
      sweepClient({ shown: result.stdout + result.stderr });
      return result;
    },
  };
}

const hostOf = ({ speaks, names }: ClientOriginOptions = {}): string =>
  names?.[0] ?? (speaks === 'plain' ? 'plain.test' : 'origin.test');

const urlOf = (options: ClientOriginOptions | undefined, port: number): string =>
  `${options?.speaks === 'plain' ? 'http' : 'https'}://${hostOf(options)}:${port}`;

const rulesFor =
  ({ origins }: ClientWorldOptions) =>
  (ports: Readonly<Record<string, number>>): string => {
    const rules = Object.entries(origins).map(([name, options]) => {
      const scheme = options.speaks === 'plain' ? 'http' : 'https';
      const where = `hosts: [${hostOf(options)}], ports: [${ports[name]}], schemes: [${scheme}]`;
      return `  - { name: ${name}, ${where}, inject: [{ bearer: "\${token}" }] }\n`;
    });
    return `rules:\n${rules.join('')}`;
  };

function placed({ hosts = {}, files = {} }: ClientWorldOptions): Pick<PosternOptions, 'settings' | 'files'> {
  const base = loopback();
  const upstream = base.settings?.upstream as { readonly hosts: Readonly<Record<string, readonly string[]>> };
  return {
    settings: { ...base.settings, upstream: { ...upstream, hosts: { ...upstream.hosts, ...hosts } } },
    files: { ...base.files, ...files },
  };
}

/** What `postern env` prints of it. */
export async function environmentOf(postern: Postern): Promise<Readonly<Record<string, string>>> {
  const text = await posternCommand(postern, 'env', '--format', 'json', '--proxy', postern.proxyUrl);
  expect(text).not.toContain(SECRET);
  return JSON.parse(text) as Readonly<Record<string, string>>;
}

async function posternCommand(postern: Postern, ...args: readonly string[]): Promise<string> {
  const result = await runCommand(process.execPath, [PROGRAM, ...args], { cwd: postern.folder });
  if (result.code !== 0) throw new Error(`postern ${args[0]}: ${result.stderr}`);
  return result.stdout;
}

/** The origin got something, all of it with the credential and in this protocol. */
export function expectSeen(seen: readonly Seen[], protocol: Seen['protocol'], requests?: readonly string[]): void {
  expect(seen.map((one) => one.protocol)).toEqual(seen.map(() => protocol));
  expect(seen.filter(({ authorized }) => !authorized)).toEqual([]);
  if (requests === undefined) expect(seen).not.toEqual([]);
  else expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual(requests);
}

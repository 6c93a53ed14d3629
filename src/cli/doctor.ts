import { parseArgs } from 'node:util';
import { parseAuthority } from '../address/authority.ts';
import type { CommandIo } from './command.ts';
import type { Result } from './doctor/check.ts';
import { checkProxy } from './doctor/proxy-check.ts';
import type { Target } from './doctor/runtimes.ts';
import { trustOfRuntimes } from './doctor/trust.ts';
import { waysAround } from './doctor/ways-around.ts';
import { reportFailure, UsageError } from './failure.ts';

export const help = `postern doctor [--host HOST[:PORT]] [--json]

Run it inside a sandbox. Says, one line each, whether the proxy of the variables is reachable, whether what is installed trusts its CA, and
whether every way around it is closed; what to do stands behind each problem. Exit status 1 if there is one.

  --host HOST   a host that the policy allows and intercepts: curl, git, Python, Node and openssl then make a real request to it. Without
                one, only the files from which they read their roots are looked at (as for Go and Java, which take too long to start)
  --json        the same as JSON

It tries to reach 1.1.1.1, 8.8.8.8, 2606:4700:4700::1111 and the metadata address. Two seconds of silence count as closed.
`;

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    const { host, json } = valuesOf(args);
    const target = host === undefined ? null : targetOf(host);
    const results = await examine(target, io);
    io.out(json ? `${JSON.stringify(results, null, 2)}\n` : results.map(lineOf).join(''));
    return results.some(({ outcome }) => outcome === 'problem') ? 1 : 0;
  } catch (error) {
    return reportFailure(error, 'postern doctor', help, io);
  }
}

function valuesOf(args: readonly string[]): { readonly host: string | undefined; readonly json: boolean } {
  try {
    const options = { host: { type: 'string' }, json: { type: 'boolean', default: false } } as const;
    return { host: undefined, ...parseArgs({ args: [...args], options, strict: true }).values };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the arguments cannot be read');
  }
}

type Wanted = Omit<Target, 'proxy'>;

function targetOf(text: string): Wanted {
  const reading = parseAuthority(text, 443);
  if (!reading.ok) throw new UsageError(`--host "${text}" ${reading.why}`);
  const authority = `${reading.host}:${reading.port}`;
  return { host: reading.host, authority, url: `https://${authority}/` };
}

async function examine(wanted: Wanted | null, { env }: CommandIo): Promise<readonly Result[]> {
  // Beside everything else: two seconds of silence are the common case.
  const around = Promise.all(waysAround());
  const { result, url, caPem } = await checkProxy(env);
  const proxy = url === null ? null : `${url.hostname}:${url.port || '80'}`;
  const target = wanted === null || proxy === null ? null : { ...wanted, proxy };
  return [result, ...(await Promise.all(trustOfRuntimes({ env, target, caPem }))), ...(await around)];
}

const NAME_WIDTH = 18;
const OUTCOME_WIDTH = 14;

function lineOf({ check, outcome, text, todo }: Result): string {
  const line = `${outcome.padEnd(OUTCOME_WIDTH)}${check.padEnd(NAME_WIDTH)}${text}${todo === undefined ? '' : `; ${todo}`}`;
  return `${line.trimEnd()}\n`;
}

import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { errorCode } from '../../errors.ts';
import { readCertificates } from '../../tls/pem.ts';
import { absent, type Environment, ok, problem, type Result } from './check.ts';
import { RUNTIMES, type Runtime, type Target } from './runtimes.ts';

/** A program that starts, resolves nothing and makes one request. Longer than a question to the network: several start at once. */
const PROGRAM_MS = 10_000;
const SET = 'set the variables that "postern env" prints, and put the files that they name there';

export interface TrustContext {
  readonly env: Environment;
  /** Null: nobody named a host, so only the files are looked at. */
  readonly target: Target | null;
  readonly caPem: string | null;
}

/** Whether each program that is installed trusts the CA: by a request where there is a host to ask, else by the file it reads its roots from. */
export const trustOfRuntimes = (context: TrustContext): readonly Promise<Result>[] =>
  RUNTIMES.map((runtime) => trustOf(runtime, context));

async function trustOf(runtime: Runtime, { env, target, caPem }: TrustContext): Promise<Result> {
  const { name, program, probe, request } = runtime;
  if (!isInstalled(program, env)) return absent(name);
  if (probe !== undefined && (await runProgram(probe, env)) !== null) return absent(name);
  const doubt = doubtAbout(runtime, env, caPem);
  if (target === null || request === null) return doubt ?? ok(name, `reads its roots from ${runtime.variable}`);
  const failure = await runProgram(request(target), env);
  if (failure === null) return ok(name, `trusts ${target.authority} through the proxy`);
  return (
    doubt ??
    problem(
      name,
      `${target.authority}: ${failure}`,
      'see that the policy allows the host, and that no setting of its own hides the variables',
    )
  );
}

/** Folders of PATH that this user may not look into count as empty. */
const isInstalled = (program: string, { PATH = '' }: Environment): boolean =>
  PATH.split(delimiter).some((folder) => isExecutable(join(folder, program)));

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What is wrong with the file that holds the roots, if anything. */
function doubtAbout({ name, variable }: Runtime, env: Environment, caPem: string | null): Result | null {
  const value = env[variable];
  if (value === undefined || value === '') return problem(name, `${variable} is not set`, SET);
  const file = variable === 'JAVA_TOOL_OPTIONS' ? /javax\.net\.ssl\.trustStore="?([^\s"]+)/.exec(value)?.[1] : value;
  if (file === undefined)
    return problem(
      name,
      `${variable} names no trust store`,
      'run "postern ca export --format p12", and "postern env" again',
    );
  try {
    const contents = readFileSync(file);
    const isHeld = caPem === null || holds(contents, caPem);
    return isHeld
      ? null
      : problem(name, `${file} does not hold the CA of this proxy`, 'give the sandbox the files of this proxy');
  } catch (error) {
    return problem(name, `${variable}: ${file} cannot be read (${errorCode(error)})`, SET);
  }
}

/** A bundle has them as PEM; a store of ours as they are (`trustStoreOf`). */
function holds(contents: Buffer, caPem: string): boolean {
  const ca = readCertificates(caPem);
  if (ca.kind === 'refused') return false;
  const bundle = readCertificates(contents.toString('latin1'));
  const held = bundle.kind === 'certificates' ? bundle.certificates.map(({ raw }) => raw) : [];
  return ca.certificates.every(({ raw }) => contents.includes(raw) || held.some((each) => each.equals(raw)));
}

/** Null if it ended with 0; else the last line of what it said. */
function runProgram([program = '', ...args]: readonly string[], env: Environment): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: PROGRAM_MS,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      said = `${said}${bytes.toString('utf8')}`.slice(-2_000);
    });
    child.once('error', (error) => resolve(errorCode(error)));
    child.once('close', (status, signal) => {
      const last = said.trim().split('\n').at(-1) ?? '';
      resolve(status === 0 ? null : signal === 'SIGKILL' ? 'no answer in time' : last || `exit status ${status}`);
    });
  });
}

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goPrograms, pythonPackages } from './built-once.ts';
import type { Pair } from './certificates.ts';
import { closeAfterTest } from './closing.ts';
import { runCommand } from './command.ts';

const here = (path: string): string => fileURLToPath(new URL(`../h2/${path}`, import.meta.url));

/** How one implementation of gRPC is started; both take the same options. */
export interface Grpc {
  readonly client: readonly string[];
  readonly server: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export async function goGrpc(): Promise<Grpc> {
  const folder = await goPrograms(here('grpc-go'), ['./client', './server']);
  return { client: [join(folder, 'client')], server: [join(folder, 'server')], env: {} };
}

export async function pythonGrpc(): Promise<Grpc> {
  const folder = await pythonPackages(here('grpc-python/requirements.txt'));
  const env = { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' };
  return {
    client: ['python3', here('grpc-python/client.py')],
    server: ['python3', here('grpc-python/server.py')],
    env,
  };
}

export interface GrpcServer {
  readonly port: number;
  /** Lines that it wrote: `ended METHOD REASON` for each stream that was gone before its method had returned, by Go's server. */
  readonly lines: readonly string[];
  /** Waits until it has written a line that matches. */
  wrote(pattern: RegExp): Promise<string>;
}

/** Starts the interop server, which wants to be shown `authorization` with every call. */
export async function startGrpcServer({ server, env }: Grpc, tls: Pair, authorization: string): Promise<GrpcServer> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-grpc-'));
  closeAfterTest(folder, () => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'cert.pem'), tls.cert);
  writeFileSync(join(folder, 'key.pem'), tls.key);
  const [program = '', ...args] = server;
  const files = ['-cert', join(folder, 'cert.pem'), '-key', join(folder, 'key.pem')];
  const child = spawn(program, [...args, ...files, '-authorization', authorization], {
    env: { PATH: process.env.PATH ?? '', HOME: folder, ...env },
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  closeAfterTest(child, () => {
    child.kill('SIGKILL');
    return closed;
  });
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  let rest = '';
  let errors = '';
  child.stderr.on('data', (bytes: Buffer) => {
    errors += bytes.toString();
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => reject(new Error(`the gRPC server ended: ${errors}`)));
    child.stdout.on('data', (bytes: Buffer) => {
      const all = (rest + bytes.toString()).split('\n');
      rest = all.pop() ?? '';
      lines.push(...all);
      for (const resolve of waiting.splice(0)) resolve();
      const found = /^listening (\d+)$/m.exec(all.join('\n'));
      if (found !== null) resolve(Number(found[1]));
    });
  });
  const wrote = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return { port, lines, wrote };
}

/** The names of the cases that a client has. */
export async function grpcCases({ client: [program = '', ...args], env }: Grpc): Promise<readonly string[]> {
  const { stdout, stderr } = await runCommand(program, [...args, '-list'], { env });
  if (stdout === '') throw new Error(`the gRPC client lists nothing: ${stderr}`);
  return stdout.trim().split('\n');
}

export interface InteropOptions {
  readonly client: Grpc;
  /** `host:port`. */
  readonly target: string;
  /** The name in the certificate, where `target` has an address. */
  readonly name?: string;
  /** PEM of the roots that the client trusts. */
  readonly ca: string;
  /** What the client itself sends; without it a proxy has to add the credential. */
  readonly authorization?: string;
  /** URL of the proxy; without it the client goes straight. */
  readonly proxy?: string;
  readonly cases: readonly string[];
}

/** Runs cases, each in a process of its own; what is wrong with each by its name, null for those that pass. */
export async function runInterop(options: InteropOptions): Promise<Readonly<Record<string, string | null>>> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-grpc-'));
  try {
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, options.ca);
    const results: Record<string, string | null> = {};
    for (const name of options.cases) results[name] = await runCase(options, ca, name);
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runCase(options: InteropOptions, ca: string, name: string): Promise<string | null> {
  const { client, target, authorization, proxy } = options;
  const [program = '', ...args] = client.client;
  const given = [
    ['-target', target],
    ['-ca', ca],
    ...(options.name === undefined ? [] : [['-name', options.name]]),
    ...(authorization === undefined ? [] : [['-authorization', authorization]]),
  ].flat();
  const { code, stdout, stderr } = await runCommand(program, [...args, ...given, name], {
    // Python's does not read HTTPS_PROXY in upper case.
    env: { ...client.env, ...(proxy === undefined ? {} : { HTTPS_PROXY: proxy, https_proxy: proxy }) },
    timeoutMs: CASE_MS,
  });
  return code === 0 ? null : `exit ${code}: ${(stderr + stdout).slice(-600)}`;
}

const CASE_MS = 60_000;

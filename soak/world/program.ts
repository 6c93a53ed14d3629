import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectFolder } from '../../bench/harness/paths.ts';

/** The built program, run as people run it. */
export interface Program {
  readonly pid: number;
  readonly proxyPort: number;
  readonly adminPort: number;
  /** Asks it to stop, and resolves with its exit status; it is killed where it does not. */
  stop(): Promise<number | null>;
  signal(name: 'SIGHUP' | 'SIGUSR2'): void;
}

const STOP_MAX_MS = 20_000;

/** Starts it in a folder that has its files; `onLine` gets every line of its log. Rejects where it ends before it listens. */
export async function startProgram(folder: string, onLine: (line: string) => void): Promise<Program> {
  const child = spawn(join(projectFolder, 'dist', 'postern.js'), ['serve'], {
    cwd: folder,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [proxyPort, adminPort] = await portsOf(child, onLine, exited);
  return {
    pid: child.pid ?? 0,
    proxyPort,
    adminPort,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(kill, STOP_MAX_MS);
      const status = await exited;
      clearTimeout(timer);
      process.off('exit', kill);
      return status;
    },
    signal: (name) => void child.kill(name),
  };
}

function portsOf(
  child: ChildProcess,
  onLine: (line: string) => void,
  exited: Promise<number | null>,
): Promise<readonly [proxy: number, admin: number]> {
  return new Promise((resolve, reject) => {
    let [proxy, admin] = [0, 0];
    if (child.stderr === null) throw new Error('the program has no log');
    createInterface({ input: child.stderr }).on('line', (line) => {
      onLine(line);
      const found = /"listener":"127\.0\.0\.1:(\d+)".*"msg":"(admin )?listening"/.exec(line);
      if (found === null) return;
      if (found[2] === undefined) proxy = Number(found[1]);
      else admin = Number(found[1]);
      if (proxy > 0 && admin > 0) resolve([proxy, admin]);
    });
    void exited.then((status) => reject(new Error(`postern ended with ${status}`)));
  });
}

import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { closeAfterTest } from './closing.ts';

export interface FullListener {
  readonly port: number;
  /** It takes what waits, and what is tried from now on; the kernel tries again a second after the first time. */
  open(): void;
}

/** A port whose listener is stopped and whose queue is full: the kernel lets further connections wait. */
export async function fullListener(): Promise<FullListener> {
  const script =
    "const s = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port));";
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  closeAfterTest(child, () => child.kill('SIGKILL'));
  const port = await new Promise<number>((resolve) => child.stdout.once('data', (bytes) => resolve(Number(bytes))));
  child.kill('SIGSTOP');
  for (let index = 0; index < 4; index++) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    closeAfterTest(socket, () => socket.destroy());
    await new Promise<void>((resolve) => {
      socket.once('connect', resolve);
      setTimeout(resolve, 100);
    });
  }
  return { port, open: () => child.kill('SIGCONT') };
}

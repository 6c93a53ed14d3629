import { greetingText } from '../observe/greeting.ts';
import { LineSink } from '../observe/line-sink.ts';
import { Log } from '../observe/log.ts';
import { formatFinding } from '../policy/finding.ts';
import type { Sources } from '../runtime/reading.ts';
import { StartError } from '../runtime/runtime.ts';
import { ServeError, Server } from './server.ts';

const FLUSH_MS = 1_000;

/** Runs the proxy until a signal ends it. Resolves with the exit status. */
export async function serveUntilSignal(sources: Sources): Promise<number> {
  const stderr = new LineSink({ target: 'stderr' });
  const log = new Log(stderr, 'info');
  try {
    const server = new Server(sources, log);
    // A person is greeted; whatever else reads our errors reads JSON from the first line on.
    log.silent = process.stderr.isTTY;
    const started = Promise.withResolvers<void>();
    // Before anything listens: a signal that nobody handles ends the process, and a supervisor sends the first as soon as it sees the port.
    const stopped = stopSignal(server, started.promise);
    await server.start();
    started.resolve();
    if (log.silent) process.stderr.write(greetingText(server.greeting()));
    log.silent = false;
    await stopped;
    log.info('stopping');
    await server.stop();
    return 0;
  } catch (error) {
    if (error instanceof StartError)
      for (const finding of error.findings) process.stderr.write(`${formatFinding(finding)}\n`);
    else if (error instanceof ServeError) process.stderr.write(`postern serve: ${error.message}\n`);
    else throw error;
    return 1;
  } finally {
    await stderr.close(FLUSH_MS);
  }
}

/** Answers signals until one asks to stop; each once the start is over. A second one to stop ends the process at once, as signals do. */
function stopSignal(server: Server, started: Promise<void>): Promise<void> {
  process.on('SIGHUP', () => void started.then(() => server.runtime.reload('SIGHUP')));
  process.on('SIGUSR2', () => void started.then(() => server.reopenAudit()));
  // With --disable-sigusr1 its default is to end the process; a log rotator that is set up wrong must not do that.
  process.on('SIGUSR1', () => {});
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LineSink, type LineSinkOptions } from '../../../src/observe/line-sink.ts';
import { temporaryFolder } from '../../support/folder.ts';

function sinkTo(options: LineSinkOptions): LineSink {
  const sink = new LineSink(options);
  onTestFinished(() => sink.close(100));
  return sink;
}

const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `line ${from + at}\n`);

/** A pipe whose reader reads only when it is told to: both ends of a FIFO. */
function stuckPipe(): { readonly path: string; readonly reader: number } {
  const path = join(temporaryFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(() => {
    try {
      closeSync(reader);
    } catch {
      // The test closed it.
    }
  });
  return { path, reader };
}

describe('a line sink', () => {
  it('writes every line in order, in few writes', async () => {
    const path = join(temporaryFolder(), 'audit.jsonl');
    const sink = sinkTo({ target: path });
    for (const line of lines(0, 50_000)) sink.write(line);
    await sink.flush(5_000);
    expect(readFileSync(path, 'utf8')).toBe(lines(0, 50_000).join(''));
    expect(sink.dropped).toBe(0);
  });

  it('writes a lone line soon, without being asked', async () => {
    const path = join(temporaryFolder(), 'audit.jsonl');
    const sink = sinkTo({ target: path });
    sink.write('alone\n');
    await expect.poll(() => readFileSync(path, 'utf8'), { interval: 5 }).toBe('alone\n');
  });

  it('appends to what is there and keeps the file to its user', async () => {
    const path = join(temporaryFolder(), 'audit.jsonl');
    const sink = sinkTo({ target: path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    writeFileSync(path, 'before\n');
    sink.write('after\n');
    await sink.flush(1_000);
    expect(readFileSync(path, 'utf8')).toBe('before\nafter\n');
  });

  it('says at once why a file cannot be opened', () => {
    expect(() => new LineSink({ target: join(temporaryFolder(), 'no', 'such', 'folder') })).toThrow('ENOENT');
  });

  it('goes on in a new file when told that the old one was rotated', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'audit.jsonl');
    const sink = sinkTo({ target: path });
    sink.write('old\n');
    await sink.flush(1_000);
    renameSync(path, join(folder, 'audit.1'));
    sink.reopen();
    sink.write('new\n');
    await sink.flush(1_000);
    expect(readFileSync(join(folder, 'audit.1'), 'utf8')).toBe('old\n');
    expect(readFileSync(path, 'utf8')).toBe('new\n');
  });

  it('finds by itself that the file was rotated or removed, and loses nothing', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'audit.jsonl');
    const sink = sinkTo({ target: path });
    for (const [round, away] of [
      [0, () => renameSync(path, join(folder, 'audit.1'))],
      [1, () => rmSync(path)],
    ] as const) {
      sink.write(`before ${round}\n`);
      await sink.flush(1_000);
      away();
      let count = 0;
      await expect
        .poll(
          () => {
            sink.write(`after ${round} ${count++}\n`);
            return tryRead(path);
          },
          { interval: 50, timeout: 5_000 },
        )
        .toContain(`after ${round}`);
    }
    expect(sink.dropped).toBe(0);
  });

  it('never blocks on a pipe that nobody reads, keeps a bounded amount, and counts the rest', async () => {
    const { path, reader } = stuckPipe();
    const sink = sinkTo({ target: path, pendingLengthMax: 100_000 });
    const startedMs = performance.now();
    for (const line of lines(0, 100_000)) sink.write(line);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(sink.healthy).toBe(false);
    expect(sink.dropped).toBeGreaterThan(0);
    expect(sink.dropped).toBeLessThan(100_000);
    const dropped = sink.dropped;
    const text = await drained(reader, sink);
    const written = text.split('\n').slice(0, -1);
    expect(written).toEqual(lines(0, 100_000 - dropped).map((line) => line.trimEnd()));
    expect(sink.healthy).toBe(true);
  });

  it('waits no longer than it was told for a pipe that is stuck', async () => {
    const { path } = stuckPipe();
    const sink = sinkTo({ target: path });
    for (const line of lines(0, 100_000)) sink.write(line);
    const startedMs = performance.now();
    await sink.flush(100);
    sink.flushNow();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });

  it.runIf(statSync('/dev/full', { throwIfNoEntry: false }) !== undefined)(
    'is unhealthy on a full disk, says so once, and writes what it kept when there is room again',
    async () => {
      const folder = temporaryFolder();
      const path = join(folder, 'audit.jsonl');
      execFileSync('ln', ['-s', '/dev/full', path]);
      const health: (string | null)[] = [];
      const sink = sinkTo({ target: path, onHealth: (failure) => health.push(failure) });
      for (const line of lines(0, 3)) sink.write(line);
      await expect.poll(() => sink.healthy).toBe(false);
      expect(health).toEqual(['ENOSPC']);
      rmSync(path);
      sink.reopen();
      await expect.poll(() => tryRead(path)).toBe(lines(0, 3).join(''));
      expect(health).toEqual(['ENOSPC', null]);
      expect(sink.dropped).toBe(0);
    },
  );
});

describe('a line sink on a standard stream', () => {
  const source = new URL('../../../src/observe/line-sink.ts', import.meta.url).href;
  const program = (body: string): string => `
    import { LineSink } from ${JSON.stringify(source)};
    const sink = new LineSink({ target: 'stdout' });
    ${body}`;

  it('writes what waits when the process exits', () => {
    const body = `sink.write('last words\\n'); process.exit(3);`;
    const { status, stdout } = run(program(body));
    expect([status, stdout]).toEqual([3, 'last words\n']);
  });

  it('outlives its reader and counts what is lost', async () => {
    const body = `
      const tick = () => { sink.write('x\\n'); if (sink.healthy) setTimeout(tick, 5); else done(); };
      const done = () => { sink.write('y\\n'); process.stderr.write(String(sink.dropped > 1)); };
      tick();`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(body)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes;
    });
    child.stdout.destroy();
    const [status] = await once(child, 'exit');
    expect([status, stderr]).toEqual([0, 'true']);
  });

  it('does not hang at exit when its reader has stopped reading', async () => {
    const body = `
      const more = () => { for (let i = 0; i < 20000; i++) sink.write('0123456789\\n'); };
      more();
      setTimeout(() => process.exit(0), 200);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(body)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    child.stdout.pause();
    const [status] = await once(child, 'exit');
    expect(status).toBe(0);
  });

  function run(code: string): { readonly status: number; readonly stdout: string } {
    try {
      return {
        status: 0,
        stdout: execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }),
      };
    } catch (error) {
      const { status, stdout } = error as { status: number; stdout: string }; // what execFileSync throws
      return { status, stdout };
    }
  }
});

function tryRead(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Everything that the sink still holds for the pipe. */
async function drained(reader: number, sink: LineSink): Promise<string> {
  let text = '';
  const buffer = Buffer.alloc(64 * 1024);
  const read = (): number => {
    try {
      const bytes = readSync(reader, buffer);
      text += buffer.toString('utf8', 0, bytes);
      return bytes;
    } catch {
      return 0;
    }
  };
  const flushed = sink.flush(10_000);
  const timer = setInterval(read, 1);
  await flushed;
  clearInterval(timer);
  while (read() > 0);
  return text;
}

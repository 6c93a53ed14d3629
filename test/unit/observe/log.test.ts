import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LineSink } from '../../../src/observe/line-sink.ts';
import { Log, type LogFields, stackOf } from '../../../src/observe/log.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { temporaryFolder } from '../../support/folder.ts';

async function logged(write: (log: Log) => void): Promise<readonly Record<string, unknown>[]> {
  const path = join(temporaryFolder(), 'log');
  const sink = new LineSink({ target: path });
  onTestFinished(() => sink.close(100));
  write(new Log(sink, 'info'));
  await sink.flush(1_000);
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line));
}

describe('the operational log', () => {
  it("is JSON lines in pino's shape", async () => {
    const [line] = await logged((log) =>
      log.warn('listening', { listener: '127.0.0.1:8080', count: 2, allowed: ['a', 'b'] }),
    );
    expect(line).toEqual({
      level: 40,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      listener: '127.0.0.1:8080',
      count: 2,
      allowed: ['a', 'b'],
      msg: 'listening',
    });
  });

  it('leaves out what is below its level, which can be changed', async () => {
    const lines = await logged((log) => {
      log.debug('hidden');
      log.setLevel('debug');
      log.debug('shown');
      log.setLevel('fatal');
      log.error('hidden');
      log.fatal('shown');
    });
    expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
      [20, 'shown'],
      [60, 'shown'],
    ]);
  });

  it('prints no field that is not on its list, whatever is handed over', async () => {
    const request = { sandbox: 'vm', authorization: 'Bearer x', body: 'y', secret: 'github' };
    const fields: LogFields = request;
    const [line] = await logged((log) => log.info('text', fields));
    expect(Object.keys(line ?? {})).toEqual(['level', 'time', 'sandbox', 'secret', 'msg']);
  });

  it('prints where an error was thrown and not what it says, since messages quote peers', () => {
    const error = new TypeError('header "authorization: Bearer abc" is invalid\n    second line: abc');
    const stack = stackOf(error);
    expect(stack).toContain('TypeError');
    expect(stack).toContain('log.test.ts');
    expect(stack).not.toContain('abc');
    expect(stackOf('a thrown text')).toBe('not an Error');
    expect(stackOf(new Secret('github', 'abc'))).toBe('not an Error');
  });
});

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../../src/cli/ca.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { type Outcome, ran } from './console.ts';

const ca = (cwd: string, ...args: readonly string[]): Promise<Outcome> => ran(run, cwd, ...args);
const read = (cwd: string, name: string): string => readFileSync(path.join(cwd, 'certs', name), 'utf8');

describe('postern ca export', () => {
  test.each(['certs/ca.pem', 'certs/ca-key.pem', 'certs/../certs/ca-key.pem'])(
    'does not write over %s',
    async (out) => {
      const cwd = temporaryFolder();
      await ca(cwd, 'init');
      const before = read(cwd, 'ca-key.pem');
      expect((await ca(cwd, 'export', '--format', 'bundle', '--out', out)).status).toBe(1);
      expect(read(cwd, 'ca-key.pem')).toBe(before);
    },
  );

  test.each([
    ['six characters and more', 'correct horse\n', 0],
    ['five characters', 'short', 1],
    ['nothing', '', 1],
    ['two lines', 'correct\nhorse\n', 1],
  ])('takes a password of %s: exit status %3$s', async (_, text, expected) => {
    const cwd = temporaryFolder();
    await ca(cwd, 'init');
    writeFileSync(path.join(cwd, 'password'), text, { mode: 0o600 });
    const { status, out, err } = await ca(cwd, 'export', '--format', 'p12', '--password-file', 'password');
    expect(status).toBe(expected);
    if (text !== '') expect(out + err).not.toContain(text.trim().split('\n')[0]);
  });
});

const WRONG = [
  [],
  ['renew'],
  ['init', '--force'],
  ['init', '--days', '0'],
  ['init', '--days', 'ten'],
  ['init', '--days', '99999'],
  ['init', '--name', ''],
  ['init', '--name', 'x'.repeat(65)],
  ['init', '--name', 'two\nlines'],
  ['init', '--out', 'x'],
  ['init', 'extra'],
  ['show', '--days', '3'],
  ['export'],
  ['export', '--format', 'der'],
  ['export', '--format', 'pem', '--password-file', 'x'],
];

test.each(WRONG.map((args) => [args.join(' '), args] as const))(
  '"%s" is wrong usage: status 2, the help, and nothing made',
  async (_, args) => {
    const cwd = temporaryFolder();
    const { status, out, err } = await ca(cwd, ...args);
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/^postern ca: .+\n\npostern ca init/);
    expect(readdirSync(cwd)).toEqual([]);
  },
);

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CORPUS_FILES_MAX, minimalCorpus, readCorpus, writeCorpus } from '../../fuzz/corpus.ts';
import { failureOf } from '../../fuzz/failure.ts';
import { mutate } from '../../fuzz/mutate.ts';
import { Random } from '../../fuzz/random.ts';
import { loadTarget, targetsIn } from '../../fuzz/targets.ts';
import { type CommandResult, runCommand } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const MAIN = here('../../fuzz/main.ts');
const PLANTED = here('planted');

const fuzz = (...args: readonly string[]): Promise<CommandResult> =>
  runCommand(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args]);

const planted = (name: string, findings: string, ...args: readonly string[]): Promise<CommandResult> =>
  fuzz('--folder', PLANTED, '--findings', findings, '--target', name, ...args);

describe('npm run fuzz', () => {
  it('finds a mistake that only coverage leads to, and writes down a short input that shows it', async () => {
    const findings = temporaryFolder();
    const { code, stdout } = await planted('nested', findings, '--seed', '4', '--inputs', '60000');
    expect(stdout).toContain('nobody says BUG!');
    expect(stdout).toMatch(/nested +\d+ inputs, \d+\/s, \d+ blocks, corpus \d+, 1 findings/);
    expect(code).toBe(1);
    const [file = ''] = readdirSync(join(findings, 'nested'));
    expect(readFileSync(join(findings, 'nested', file), 'latin1')).toBe('BUG!');
    const again = await planted('nested', findings, '--input', join(findings, 'nested', file));
    expect(again).toMatchObject({ code: 1, stdout: expect.stringContaining('nobody says BUG!') });
  });

  it('finds the same with the same seed, after as many inputs', async () => {
    const runs = await Promise.all(
      [1, 2].map(() => planted('nested', temporaryFolder(), '--seed', '4', '--inputs', '60000')),
    );
    const [first, second] = runs.map(({ stdout }) => /FOUND after (\d+) inputs/.exec(stdout)?.[1]);
    expect(first).toBeDefined();
    expect(second).toBe(first);
  });

  it('reports an input that never ends', async () => {
    const findings = temporaryFolder();
    const { code, stdout } = await planted('hanging', findings, '--seconds', '10', '--hang', '1');
    expect(code).toBe(1);
    expect(stdout).toContain('no answer within 1000 ms');
    const [file = ''] = readdirSync(join(findings, 'hanging'));
    expect(readFileSync(join(findings, 'hanging', file), 'latin1')).toContain('!');
  });

  it('reports an input that ends its thread', async () => {
    const findings = temporaryFolder();
    const { code, stdout } = await planted('ending', findings, '--seconds', '10');
    expect(code).toBe(1);
    expect(stdout).toContain('ended its thread');
    const [file = ''] = readdirSync(join(findings, 'ending'));
    expect(readFileSync(join(findings, 'ending', file), 'latin1')).toContain('!');
  });

  it('ends with 0 where nothing is found, after the inputs it was given', async () => {
    const { code, stdout } = await planted('sound', temporaryFolder(), '--inputs', '1000', '--seconds', '10');
    expect({ code, last: stdout.trim().split('\n').at(-1) }).toEqual({
      code: 0,
      last: '1000 inputs in all, 0 findings',
    });
  });

  it.each([
    ['a target that is not there', ['--target', 'nothing'], /no target nothing; there are authority/],
    ['a time that is no number', ['--minutes', 'x'], /--minutes takes a number/],
    ['an option that it does not know', ['--nonsense'], /nonsense/],
    ['an input without a target', ['--input', MAIN], /--input wants one --target/],
  ])('says what is wrong with %s, and how it is used', async (_name, args, message) => {
    const { code, stderr } = await fuzz(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).toContain('npm run fuzz -- ');
  });
});

describe('the targets', () => {
  const known = targetsIn(here('../../fuzz/targets'));

  it.each([...known])('%s is named as its file, and holds for its seeds and its corpus', async (name, url) => {
    const target = await loadTarget(url);
    expect(target.name).toBe(name);
    const kept = readCorpus(here(`../../fuzz/corpus/${name}`));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThanOrEqual(CORPUS_FILES_MAX);
    const inputs = [...target.seeds.map((seed) => Buffer.from(seed)), ...kept];
    for (const input of inputs) expect(failureOf(target, input)?.message).toBeUndefined();
  });
});

describe('changing an input', () => {
  it('is the same for the same seed, stays within the limit and leaves the input alone', () => {
    const shape = { bytesMax: 40, dictionary: [Buffer.from('token')] };
    const input = Buffer.from('something to change');
    const run = (): readonly string[] => {
      const random = new Random(3);
      return Array.from({ length: 500 }, () => mutate(input, Buffer.from('another'), random, shape).toString('latin1'));
    };
    const first = run();
    expect(run()).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(300);
    expect(Math.max(...first.map(({ length }) => length))).toBeLessThanOrEqual(40);
    expect(input.toString()).toBe('something to change');
  });

  it('works on nothing at all', () => {
    const random = new Random(1);
    for (let count = 0; count < 200; count++) {
      const changed = mutate(Buffer.alloc(0), Buffer.alloc(0), random, { bytesMax: 8, dictionary: [] });
      expect(changed.length).toBeLessThanOrEqual(8);
    }
  });
});

describe('a corpus', () => {
  it('is few and short inputs that reach everything, in files named by what is in them', () => {
    const reach: Readonly<Record<string, readonly string[]>> = {
      a: ['1'],
      bb: ['1', '2'],
      ccc: ['2'],
      dddd: ['3'],
      eeeee: ['3'],
    };
    const inputs = Object.keys(reach).map((text) => Buffer.from(text));
    const kept = minimalCorpus(inputs.toReversed(), (input) => reach[input.toString()] ?? []);
    expect(kept.map(String)).toEqual(['bb', 'dddd']);
    const folder = join(temporaryFolder(), 'corpus');
    writeCorpus(folder, inputs);
    writeCorpus(folder, kept);
    expect(readCorpus(folder).map(String).sort()).toEqual(['bb', 'dddd']);
  });

  it('that is not there is empty', () => {
    expect(readCorpus(join(temporaryFolder(), 'nothing'))).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { readPolicy } from '../../../src/policy/reading/read.ts';
import { chooseSandboxes, type GovernedByName } from '../../../src/runtime/in-force.ts';
import type { LoadedFiles } from '../../../src/runtime/loader.ts';
import { defaultSettings } from '../../../src/runtime/read-settings.ts';
import { allowing, sandboxAllowing } from '../../support/runtime.ts';

function loaded(texts: Readonly<Record<string, string>>): LoadedFiles {
  const policies = Object.entries(texts).map(([file, text]) => ({ file, hash: text, ...readPolicy(text, file) }));
  return { settings: defaultSettings('/'), settingsFindings: [], policies, policiesFindings: [] };
}

/** What is in force after reading these folders one after the other. */
function inForceAfter(...folders: readonly Readonly<Record<string, string>>[]): GovernedByName {
  return folders.reduce<GovernedByName>((before, texts) => chooseSandboxes(loaded(texts), before).governed, new Map());
}

const summary = (governed: GovernedByName): Record<string, string> =>
  Object.fromEntries(
    [...governed].map(([name, { spec, state }]) => [
      name,
      [state, ...spec.rules.flatMap(({ hosts }) => hosts)].join(' '),
    ]),
  );

const BROKEN = 'version: 1\nrules: [';
const A = sandboxAllowing('a', '10.0.0.1/32', 'a.example.com');
const B = sandboxAllowing('b', '10.0.0.2/32', 'b.example.com');

describe('what is in force after a reading', () => {
  it('is what the files say', () => {
    expect(summary(inForceAfter({ 'a.yaml': A, 'b.yaml': B }))).toEqual({
      a: 'current a.example.com',
      b: 'current b.example.com',
    });
  });

  it('merges files without a sandbox into default, in the order of their names', () => {
    const texts = { '1.yaml': allowing('one.example.com'), '2.yaml': allowing('two.example.com') };
    expect(summary(inForceAfter(texts))).toEqual({ default: 'current one.example.com two.example.com' });
  });

  it('keeps the last good policy of a sandbox whose file is broken, and renews the others', () => {
    const newB = sandboxAllowing('b', '10.0.0.2/32', 'new.example.com');
    const governed = inForceAfter({ 'a.yaml': A, 'b.yaml': B }, { 'a.yaml': BROKEN, 'b.yaml': newB });
    expect(summary(governed)).toEqual({ a: 'last-good a.example.com', b: 'current new.example.com' });
  });

  it('keeps it through any number of further readings, and takes the mended file', () => {
    const mended = sandboxAllowing('a', '10.0.0.1/32', 'mended.example.com');
    const broken = { 'a.yaml': BROKEN, 'b.yaml': B };
    const kept = inForceAfter({ 'a.yaml': A, 'b.yaml': B }, broken, broken, { 'a.yaml': 'rules: 7', 'b.yaml': B });
    expect(summary(kept).a).toBe('last-good a.example.com');
    expect(summary(chooseSandboxes(loaded({ 'a.yaml': mended, 'b.yaml': B }), kept).governed).a).toBe(
      'current mended.example.com',
    );
  });

  it('never mixes new and old files of one sandbox', () => {
    const before = { '1.yaml': allowing('one.example.com'), '2.yaml': allowing('two.example.com') };
    const governed = inForceAfter(before, { '1.yaml': allowing('changed.example.com'), '2.yaml': BROKEN });
    expect(summary(governed)).toEqual({ default: 'last-good one.example.com two.example.com' });
  });

  it('denies a sandbox that never loaded, also where another of its files is good', () => {
    expect(summary(inForceAfter({ '1.yaml': allowing('one.example.com'), '2.yaml': BROKEN }))).toEqual({
      default: 'unavailable',
    });
  });

  it('denies a sandbox whose file went away, for as long as the process lives, and takes it back', () => {
    const gone = inForceAfter({ 'a.yaml': A, 'b.yaml': B }, { 'b.yaml': B }, { 'b.yaml': B });
    expect(summary(gone)).toEqual({ b: 'current b.example.com', a: 'gone' });
    expect(gone.get('a')?.spec.match).toHaveLength(1);
    expect(summary(inForceAfter({ 'a.yaml': A }, {}, { 'a.yaml': A }))).toEqual({ a: 'current a.example.com' });
  });

  it('denies a sandbox whose file now speaks for another', () => {
    const renamed = sandboxAllowing('c', '10.0.0.3/32', 'a.example.com');
    expect(summary(inForceAfter({ 'a.yaml': A }, { 'a.yaml': renamed }))).toEqual({
      c: 'current a.example.com',
      a: 'gone',
    });
  });

  it('follows a sandbox to another file', () => {
    expect(summary(inForceAfter({ 'a.yaml': A }, { 'moved.yaml': A }))).toEqual({ a: 'current a.example.com' });
  });

  it('forgets a sandbox that is gone once its address was given to another', () => {
    const heir = sandboxAllowing('heir', '10.0.0.1/32', 'heir.example.com');
    expect(summary(inForceAfter({ 'a.yaml': A }, { 'heir.yaml': heir }))).toEqual({ heir: 'current heir.example.com' });
  });

  it('gives an address that two files claim to neither, but leaves it to who had it', () => {
    const thief = sandboxAllowing('thief', '10.0.0.1/32', 'thief.example.com');
    expect(summary(inForceAfter({ 'a.yaml': A, 'thief.yaml': thief }))).toEqual({
      a: 'unavailable',
      thief: 'unavailable',
    });
    expect(summary(inForceAfter({ 'a.yaml': A }, { 'a.yaml': A, 'thief.yaml': thief }))).toEqual({
      a: 'last-good a.example.com',
      thief: 'unavailable',
    });
  });

  it('gives an address to nobody new while the sandbox that has it cannot be read', () => {
    const thief = sandboxAllowing('thief', '10.0.0.1/32', 'thief.example.com');
    const governed = inForceAfter({ 'a.yaml': A }, { 'a.yaml': BROKEN, 'thief.yaml': thief });
    expect(summary(governed)).toEqual({ a: 'last-good a.example.com', thief: 'unavailable' });
  });

  it('allows nothing in an empty folder, and denies default when its last file is gone', () => {
    expect(summary(inForceAfter({}))).toEqual({ default: 'current' });
    expect(summary(inForceAfter({}, { 'a.yaml': A }))).toEqual({ a: 'current a.example.com' });
    expect(summary(inForceAfter({ '1.yaml': allowing('one.example.com') }, {}))).toEqual({ default: 'gone' });
  });

  it('reports each finding once, however often it had to choose', () => {
    const thief = sandboxAllowing('thief', '10.0.0.1/32', 'thief.example.com');
    const { findings } = chooseSandboxes(loaded({ 'a.yaml': A, 'thief.yaml': thief, 'z.yaml': BROKEN }), new Map());
    const texts = findings.map(({ place, path, text }) => `${place.file} ${path} ${text}`);
    expect(new Set(texts).size).toBe(texts.length);
    expect(findings.filter(({ level }) => level === 'error').map(({ place }) => place.file)).toEqual(
      expect.arrayContaining(['a.yaml', 'thief.yaml', 'z.yaml']),
    );
  });
});

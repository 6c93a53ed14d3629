import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LoadError } from '../../../src/runtime/load-thread.ts';
import { FileLoader, type LoadedFiles } from '../../../src/runtime/loader.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { allowing } from '../../support/runtime.ts';

const BUILT = new URL('../../../dist/load-worker.js', import.meta.url);

function loaderOn(files: Readonly<Record<string, string>>, entry: URL = BUILT) {
  const folder = temporaryFolder();
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, 'policies'));
  for (const [name, text] of Object.entries(files)) write(name, text);
  const loader = new FileLoader(entry);
  onTestFinished(() => loader.close());
  const request = { folder, settingsFile: join(folder, 'postern.yaml'), settingsRequired: false, policies: null };
  return { folder, write, load: (): Promise<LoadedFiles> => loader.load(request) };
}

const rules = (count: number): string =>
  `version: 1\nrules:\n${Array.from({ length: count }, (_, at) => `  - { name: r${at}, hosts: [h${at}.example.com] }\n`).join('')}`;

describe('the loading thread', () => {
  it('reads the policies in the order of their names, and nothing else in the folder', async () => {
    const { load } = loaderOn({
      'policies/b.yaml': allowing('b.example.com'),
      'policies/a.yaml': allowing('a.example.com'),
      'policies/.hidden.yaml': 'not read',
      'policies/notes.txt': 'not read',
      'policies/misnamed.yml': 'not read',
    });
    const { policies, policiesFindings, settings } = await load();
    expect(policies.map(({ file, spec }) => [file, spec?.rules.length])).toEqual([
      ['policies/a.yaml', 1],
      ['policies/b.yaml', 1],
    ]);
    expect(policiesFindings.map(({ level, place }) => [level, place.file])).toEqual([
      ['warning', 'policies/misnamed.yml'],
    ]);
    expect(settings?.file).toBe(null);
  });

  it('parses only what changed: the rest is the same object as before', async () => {
    const { load, write } = loaderOn({
      'policies/a.yaml': allowing('a.example.com'),
      'policies/b.yaml': allowing('b.example.com'),
    });
    const first = await load();
    write('policies/b.yaml', allowing('c.example.com'));
    const second = await load();
    expect(second.policies[0]).toBe(first.policies[0]);
    expect(second.policies[1]?.spec?.rules[0]?.hosts).toEqual(['c.example.com']);
  });

  it('brings over large policies whole and in order', async () => {
    const { load } = loaderOn({ 'policies/a.yaml': rules(2_345), 'policies/b.yaml': rules(1).replace('r0', 'last') });
    const { policies } = await load();
    expect(policies[0]?.spec?.rules.map(({ name }) => name)).toEqual(
      Array.from({ length: 2_345 }, (_, at) => `r${at}`),
    );
    expect(policies[1]?.spec?.rules.map(({ name }) => name)).toEqual(['last']);
  });

  it('has no secret of the environment', async () => {
    process.env.POSTERN_TEST_SECRET = 'value';
    onTestFinished(() => {
      delete process.env.POSTERN_TEST_SECRET;
    });
    const { load } = loaderOn(
      {},
      scripted(`throw Object.assign(new Error(), { code: String(process.env.POSTERN_TEST_SECRET) });`),
    );
    await expect(load()).rejects.toMatchObject({ code: 'undefined' });
  });

  it('that ends, or fails, is an error and not a wait; the next load has a new one', async () => {
    const flag = join(temporaryFolder(), 'flag');
    writeFileSync(flag, '');
    const entry = scripted(`
      import { existsSync } from 'node:fs';
      if (existsSync(${JSON.stringify(flag)})) process.exit(0);
      await import(${JSON.stringify(BUILT.href)});`);
    const { load } = loaderOn({ 'policies/a.yaml': allowing('a.example.com') }, entry);
    const error = await load().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LoadError);
    expect(error).toMatchObject({ code: 'THREAD_ENDED' });
    rmSync(flag);
    expect((await load()).policies).toHaveLength(1);
  });

  function scripted(code: string): URL {
    const path = join(temporaryFolder(), 'thread.mjs');
    writeFileSync(path, code);
    return pathToFileURL(path);
  }
});

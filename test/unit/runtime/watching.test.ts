import { linkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Snapshot } from '../../../src/runtime/snapshot.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { allowing, hosts, type RuntimeScene, runtimeScene, started, withSecret } from '../../support/runtime.ts';

const P = 'policies/default.yaml';

describe('watching', () => {
  /** Resolves with the next generation; fails after a while without one. */
  const swapped = ({ runtime }: RuntimeScene): Promise<Snapshot> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no new generation')), 5_000);
      const stop = runtime.onSwap((next) => {
        clearTimeout(timer);
        stop();
        resolve(next);
      });
      onTestFinished(() => clearTimeout(timer));
    });

  async function watching(files: Readonly<Record<string, string>>): Promise<RuntimeScene> {
    const scene = await started(files);
    await scene.runtime.watch();
    return scene;
  }

  it.each<[string, (scene: RuntimeScene) => void]>([
    ['an edit in place', ({ write }) => write(P, allowing('new.example.com'))],
    [
      'an atomic rename',
      ({ write, folder }) => {
        write('policies/.default.yaml.tmp', allowing('new.example.com'));
        renameSync(join(folder, 'policies/.default.yaml.tmp'), join(folder, P));
      },
    ],
    [
      'a rename from outside',
      ({ write, folder }) => {
        write('prepared', allowing('new.example.com'));
        renameSync(join(folder, 'prepared'), join(folder, P));
      },
    ],
    [
      'an editor that moves the old file away first',
      ({ write, folder }) => {
        renameSync(join(folder, P), join(folder, `${P}~`));
        write(P, allowing('new.example.com'));
      },
    ],
    [
      'a folder that is removed and made again',
      ({ write, remove }) => {
        remove('policies');
        write(P, allowing('new.example.com'));
      },
    ],
    [
      'a folder that is replaced by another',
      ({ write, folder }) => {
        write('next/default.yaml', allowing('new.example.com'));
        renameSync(join(folder, 'policies'), join(folder, 'before'));
        renameSync(join(folder, 'next'), join(folder, 'policies'));
      },
    ],
  ])('puts %s in force', async (_, edit) => {
    const scene = await watching({ [P]: allowing('api.example.com') });
    const next = swapped(scene);
    edit(scene);
    expect(hosts(await next)).toEqual(['new.example.com']);
  });

  it('puts a new file and a deletion in force', async () => {
    const scene = await watching({ [P]: allowing('api.example.com') });
    const added = swapped(scene);
    scene.write('policies/more.yaml', allowing('more.example.com'));
    expect(hosts(await added)).toEqual(['api.example.com', 'more.example.com']);
    const removed = swapped(scene);
    scene.remove('policies/more.yaml');
    expect(hosts(await removed)).toEqual(['api.example.com']);
    const gone = swapped(scene);
    scene.remove(P);
    expect(hosts(await gone)).toBe(null);
  });

  it("follows Kubernetes' swap of the ..data link, again and again", async () => {
    const scene = runtimeScene({
      'policies/..v1/default.yaml': allowing('v1.example.com'),
      'policies/..v2/default.yaml': allowing('v2.example.com'),
      'policies/..v3/default.yaml': allowing('v3.example.com'),
    });
    const at = (name: string): string => join(scene.folder, 'policies', name);
    symlinkSync('..v1', at('..data'));
    symlinkSync('..data/default.yaml', at('default.yaml'));
    await scene.runtime.start();
    await scene.runtime.watch();
    expect(hosts(scene.runtime.current)).toEqual(['v1.example.com']);
    for (const version of ['v2', 'v3']) {
      const next = swapped(scene);
      symlinkSync(`..${version}`, at('..data_tmp'));
      renameSync(at('..data_tmp'), at('..data'));
      rmSync(at(version === 'v2' ? '..v1' : '..v2'), { recursive: true });
      expect(hosts(await next)).toEqual([`${version}.example.com`]);
    }
  });

  it('puts edits of postern.yaml and of secret files in force, also of ones that were not there', async () => {
    const scene = await watching({ [P]: withSecret('file: ../secrets/token') });
    const settings = swapped(scene);
    scene.write('postern.yaml', 'version: 1\nlimits: { connections: 9 }\n');
    expect((await settings).settings.limits.connections).toBe(9);
    for (const value of ['the-first-value', 'the-second-value']) {
      const secret = swapped(scene);
      scene.write('secrets/token', value);
      const resolved = (await secret).sandboxes.get('default')?.vault.get('github');
      expect(resolved instanceof Secret && resolved.matches(value)).toBe(true);
    }
  });

  it('finds an edit that no event tells, as on network file systems, by looking', async () => {
    const scene = await watching({ [P]: allowing('api.example.com') });
    // A write by another link to the same file is no event in this folder.
    linkSync(join(scene.folder, P), join(scene.folder, 'elsewhere'));
    await expect.poll(() => scene.metrics.reloads.unchanged, { timeout: 5_000 }).toBeGreaterThan(0);
    const next = swapped(scene);
    scene.write('elsewhere', allowing('new.example.com'));
    expect(hosts(await next)).toEqual(['new.example.com']);
  });

  it('has an edit of 1,000 rules in force within 250 ms', async () => {
    const many = (host: string): string =>
      `version: 1\nrules:\n${Array.from({ length: 1_000 }, (_, at) => `  - { name: r${at}, hosts: [h${at}.${host}] }\n`).join('')}`;
    const scene = await watching({ [P]: many('example.com') });
    const next = swapped(scene);
    const startedMs = performance.now();
    scene.write(P, many('example.org'));
    await next;
    const tookMs = performance.now() - startedMs;
    console.log(`1,000 rules: in force ${Math.round(tookMs)} ms after the edit`);
    // The promise is 250 ms on a machine that is not busy with other tests.
    expect(tookMs).toBeLessThan(1_000);
  });
});

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { check } from '../client/expect.ts';
import { type Edition, editedPolicy, settingsText } from '../world/configuration.ts';
import type { World } from '../world/world.ts';
import type { Disturbance } from './disturbance.ts';

const FILE = 'policies/edited.yaml';
/** An edit is in force within 250 ms (contract section 6); on a machine that is shared it is only found out later. */
const IN_FORCE_MAX_MS = 5_000;

/** Tighter, looser, a thousand rules, a file with an error: each is loaded when told, and then the first form again. */
export const edit: Disturbance = {
  name: 'edit',
  weight: 6,
  async run(world, random) {
    const edition = random.one<Edition>(['host-denied', 'path-denied', 'large', 'invalid']);
    world.replace(FILE, editedPolicy(world.ports, edition));
    await reload(world, edition === 'invalid' ? 422 : 200);
    await delay(random.between(0, 300)); // traffic under it
    world.replace(FILE, editedPolicy(world.ports, 'open'));
    await reload(world, 200);
  },
};

/** The same without telling: written in place, seen by the watcher. */
export const editInPlace: Disturbance = {
  name: 'edit-in-place',
  weight: 4,
  async run(world, random) {
    for (const edition of [random.one<Edition>(['host-denied', 'path-denied']), 'open'] as const) {
      const before = await generationOf(world);
      writeFileSync(join(world.folder, FILE), editedPolicy(world.ports, edition));
      const deadlineMs = performance.now() + IN_FORCE_MAX_MS;
      while ((await generationOf(world)) === before) {
        check(performance.now() < deadlineMs, `an edit was not in force after ${IN_FORCE_MAX_MS} ms`);
        await delay(50);
      }
    }
  },
};

/** The sandbox's file goes away: whoever was in it is in the one for everyone, until it is back. */
export const removal: Disturbance = {
  name: 'removal',
  weight: 1,
  async run(world) {
    rmSync(join(world.folder, FILE));
    await reload(world, 200);
    world.replace(FILE, editedPolicy(world.ports, 'open'));
    await reload(world, 200);
  },
};

/** postern.yaml, live: fewer leaves in the cache, and as many as before. */
export const settings: Disturbance = {
  name: 'settings',
  weight: 1,
  async run(world) {
    for (const leafCache of [20, 100]) {
      world.replace('postern.yaml', settingsText(world.trust, world.ports, leafCache));
      await reload(world, 200);
    }
  },
};

/** Nothing changed, said in two ways. */
export const unchanged: Disturbance = {
  name: 'unchanged',
  weight: 2,
  async run(world) {
    world.program.signal('SIGHUP');
    await reload(world, 200);
  },
};

export async function reload(world: World, status: number): Promise<void> {
  const answer = await world.admin.reload();
  check(answer.status === status, `reload: expected ${status}, got ${answer.status} ${answer.body.slice(0, 300)}`);
}

async function generationOf(world: World): Promise<unknown> {
  const { generation } = JSON.parse((await world.admin.get('/v1/status')).body) as { generation: unknown };
  return generation;
}

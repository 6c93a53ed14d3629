import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { check } from '../client/expect.ts';
import type { Disturbance } from './disturbance.ts';
import { reload } from './edits.ts';

/** A new value of the secret: once the reload has answered, no request that begins may carry the old one. */
export const rotateSecret: Disturbance = {
  name: 'rotate-secret',
  weight: 5,
  async run(world) {
    const { rotating } = world.credentials;
    world.replace('secrets/rotating', rotating.next());
    await reload(world, 200);
    rotating.confirm();
  },
};

const REOPENED_MAX_MS = 5_000;
let rotations = 0;

/** The audit file is moved away and SIGUSR2 says so, as logrotate does. What was moved is read at the end of the cycle. */
export const rotateAudit: Disturbance = {
  name: 'rotate-audit',
  weight: 3,
  async run(world) {
    const current = join(world.folder, 'audit.jsonl');
    // It may have been opened anew, and empty, a moment ago.
    renameSync(current, join(world.folder, `audit.jsonl.${++rotations}`));
    world.program.signal('SIGUSR2');
    const deadlineMs = performance.now() + REOPENED_MAX_MS;
    while (!existsSync(current)) {
      check(performance.now() < deadlineMs, 'the audit file was not opened again after SIGUSR2');
      await delay(20);
    }
  },
};

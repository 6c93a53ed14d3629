import type { Disturbance } from './disturbance.ts';
import { edit, editInPlace, removal, settings, unchanged } from './edits.ts';
import { rotateAudit, rotateSecret } from './rotations.ts';
import { scrapes } from './scrapes.ts';

/** Everything that is done to the proxy while it works. */
export const disturbances: readonly Disturbance[] = [
  edit,
  editInPlace,
  removal,
  settings,
  unchanged,
  rotateSecret,
  rotateAudit,
  scrapes,
];

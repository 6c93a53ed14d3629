import { check } from '../client/expect.ts';
import type { Disturbance } from './disturbance.ts';

/** Whoever watches: metrics, status and health, and a path that is not there. */
export const scrapes: Disturbance = {
  name: 'scrapes',
  weight: 4,
  async run({ admin }) {
    const wanted = [
      ['/metrics', 200],
      ['/v1/status', 200],
      ['/healthz', 200],
      ['/readyz', 200],
      ['/bundle.pem', 200],
      ['/nothing', 404],
    ] as const;
    for (const [path, status] of wanted) {
      const answer = await admin.get(path);
      check(answer.status === status, `GET ${path}: expected ${status}, got ${answer.status}`);
    }
  },
};

import { basename } from 'node:path';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** Prints the attacks by category, which is what their file is called, and each that got through. */
export default class AttackCounts implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = new Map<string, Count>();
    const total = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      const category = categoryOf(module.moduleId);
      const count = counts.get(category) ?? { passed: 0, failed: 0, skipped: 0 };
      counts.set(category, count);
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'pending') continue;
        count[state]++;
        total[state]++;
        if (state === 'failed') tell(test);
      }
      if (module.state() !== 'failed' || count.failed > 0) continue;
      // A file that does not load, or what its attacks share does not start.
      count.failed++;
      total.failed++;
      console.log(`FAILED ${category}: ${module.errors()[0]?.message ?? 'could not be run'}`);
    }
    const rows = [...counts].sort(([one], [other]) => one.localeCompare(other, 'en', { numeric: true }));
    console.log(`\n${'category'.padEnd(38)} held  failed  skipped`);
    for (const [category, count] of rows) console.log(row(category, count));
    console.log(row(`${rows.length} categories`, total));
  }
}

/** `promise-1-no-secret-inside.test.ts` is `promise 1: no secret inside`. */
const categoryOf = (path: string): string =>
  basename(path, '.test.ts')
    .replaceAll('-', ' ')
    .replace(/^(promise \d+) /, '$1: ');

const row = (name: string, { passed, failed, skipped }: Count): string =>
  `${name.padEnd(38)} ${String(passed).padStart(4)}  ${String(failed).padStart(6)}  ${String(skipped).padStart(7)}`;

function tell(test: TestCase): void {
  const { errors } = test.result();
  console.log(`FAILED ${test.fullName}\n  ${(errors ?? []).map(({ message }) => message).join('\n  ')}`);
}

import { existsSync, readFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';
import { SWEEPS_VARIABLE, type Swept } from './sweep.ts';

/** Ends a run with one plain line that any tool can read. */
export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== 'pending') count[state]++;
      }
      // A file that does not load has no tests to count.
      if (module.state() === 'failed' && module.children.allTests('failed').next().done === true) count.failed++;
    }
    console.log(sweepsText());
    console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
}

/** What was searched for secrets after the tests that started the program. */
function sweepsText(): string {
  const file = process.env[SWEEPS_VARIABLE] ?? '';
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  const sweeps = lines.map((line): Swept => JSON.parse(line));
  const sum = (of: (swept: Swept) => number): number => sweeps.reduce((total, swept) => total + of(swept), 0);
  const values = sum((swept) => swept.values);
  const sinks = sum((swept) => swept.sinks);
  const ms = Math.round(sum((swept) => swept.ms) / Math.max(sweeps.length, 1));
  const live = sum((swept) => Number(swept.live));
  return `\n${sweeps.length} runs searched for ${values} secrets in ${sinks} places, ${live} while they ran; ${ms} ms each`;
}

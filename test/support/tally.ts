import type { Reporter, TestModule } from 'vitest/node';

/** Ends a run with one plain line that any tool can read. */
export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0 };
    const swept = { runs: 0, live: 0, values: 0, sinks: 0, ms: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== 'pending') count[state]++;
        const { swept: each } = test.meta();
        if (each !== undefined) for (const key of Object.keys(swept) as (keyof typeof swept)[]) swept[key] += each[key];
      }
      // A file that does not load has no tests to count.
      if (module.state() === 'failed' && module.children.allTests('failed').next().done === true) count.failed++;
    }
    if (swept.runs > 0) {
      const { runs, live, values, sinks, ms } = swept;
      console.log(
        `\n${runs} runs swept (${live} also live) for ${values} secrets in ${sinks} places, ${Math.round(ms / runs)} ms each`,
      );
    }
    console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
}

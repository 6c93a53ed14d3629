import { defineConfig } from 'vitest/config';

export default defineConfig({
  define: { POSTERN_VERSION: '"0.0.0-test"' },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    // Two cores run the tests, the proxies and the origins that they start.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    reporters: ['default', './test/support/tally.ts'],
  },
});

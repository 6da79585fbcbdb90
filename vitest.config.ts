import { defineConfig } from 'vitest/config';

const EMBEDDED = 'test/database/embedded-postgres.test.ts';
const DOCS = 'test/**/*.docs.test.ts';
const RESILIENCE = 'test/resilience/**/*.test.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'units',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.e2e.test.ts', EMBEDDED, DOCS, RESILIENCE],
          // They share nothing that one could spoil for the next, and a process for each takes longer than they do.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e.test.ts', EMBEDDED],
          globalSetup: ['test/support/postgres.setup.ts', 'test/support/redaction.setup.ts'],
        },
      },
      { extends: true, test: { name: 'docs', include: [DOCS] } },
      {
        extends: true,
        test: { name: 'resilience', include: [RESILIENCE], globalSetup: ['test/support/postgres.setup.ts'] },
      },
    ],
  },
});

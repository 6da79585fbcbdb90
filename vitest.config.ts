import { defineConfig } from 'vitest/config';

const SYSTEM = ['test/process/**/*.test.ts', 'test/browser/**/*.test.ts', 'test/examples/**/*.test.ts'];
const DOCS = 'test/**/*.docs.test.ts';
const FUZZ = 'test/**/*.fuzz.test.ts';
const RESILIENCE = 'test/resilience/**/*.test.ts';
/** They measure memory, or need all of the machine. */
const ALONE = ['connections', 'issuer', 'process'].map((name) => `test/resilience/${name}.test.ts`);
const WITH_POSTGRES = ['test/support/postgres.setup.ts', 'test/support/redaction.setup.ts'];

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Files share nothing that one could spoil for the next, and to load the service takes longer than many of them do.
    isolate: false,
    projects: [
      {
        extends: true,
        test: {
          name: 'units',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.e2e.test.ts', ...SYSTEM, DOCS, FUZZ, RESILIENCE],
        },
      },
      { extends: true, test: { name: 'e2e', include: ['test/**/*.e2e.test.ts'], globalSetup: WITH_POSTGRES } },
      { extends: true, test: { name: 'system', include: SYSTEM, globalSetup: WITH_POSTGRES } },
      { extends: true, test: { name: 'docs', include: [DOCS] } },
      { extends: true, test: { name: 'fuzz', include: [FUZZ], globalSetup: ['test/support/postgres.setup.ts'] } },
      {
        extends: true,
        test: {
          name: 'resilience',
          include: [RESILIENCE],
          exclude: ALONE,
          globalSetup: ['test/support/postgres.setup.ts'],
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'resilience-alone',
          include: ALONE,
          globalSetup: ['test/support/postgres.setup.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});

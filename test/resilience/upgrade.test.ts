import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import type { ProblemDetails } from '../../src/problems/problem-error.js';
import { DIST } from '../support/built.js';
import type { TestDatabase } from '../support/database.js';
import type { Program } from '../support/program.js';
import { makeDemoDatabase } from './demo-database.js';
import { type Figures, underLoad } from './load.js';
import { hasNginx, type Nginx, startNginx } from './nginx.js';
import { expectEnd, expectRestart, Replica, runBuilt } from './replica.js';
import { measured } from './table.js';

/** Programs start slowly on a busy machine, and there are many. */
const LONG = 400_000;
/** Milliseconds that an answer may take: as long as without any fault. */
const ANY_ANSWER = 2_000;
const NAME = 'AddNote1999999999999';
/** Of a table that every request reads. */
const MIGRATION = `
  export class ${NAME} {
    async up(queryRunner) {
      await queryRunner.query('ALTER TABLE client_bans ADD COLUMN note text');
    }
    async down(queryRunner) {
      await queryRunner.query('ALTER TABLE client_bans DROP COLUMN note');
    }
  }`;

let database: TestDatabase;
let replicas: readonly Replica[];
let nginx: Nginx;
/** A build like this one, with one migration more. */
let next: string;

async function makeNext(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'im-signature-next-'));
  const dist = join(folder, 'dist');
  await cp(DIST, dist, { recursive: true });
  await symlink(join(dirname(DIST), 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(dist, 'migrations/1999999999999-add-note.js'), MIGRATION);
  return dist;
}

const startOf = (dist: string): Program => runBuilt(dist, 'src/main.js', database.url);

async function migrate(...args: readonly string[]): Promise<string> {
  const command = runBuilt(next, 'src/cli/main.js', database.url, ['migrate', ...args]);
  expect(await command.ends(), command.output()).toBe(0);
  return command.stdout();
}

/** What the replicas say to probes: 'ready', or why not. */
async function readiness(): Promise<string[]> {
  const answers = replicas.map(async ({ port }) => {
    const response = await fetch(`http://127.0.0.1:${port}/health/ready`);
    return response.ok ? 'ready' : ((await response.json()) as ProblemDetails).detail;
  });
  return Promise.all(answers);
}

const all = (what: string): string[] => replicas.map(() => what);

function expectUnnoticed(context: TestContext, figures: Figures): void {
  measured(context, figures.text);
  expect(figures.wrong).toEqual([]);
  expect(figures.refused).toBe(0);
  expect(figures.slowest).toBeLessThan(ANY_ANSWER);
}

const nothing = (): void => undefined;

describe.runIf(hasNginx)('an upgrade behind nginx, in the order of the documentation,', () => {
  beforeAll(async () => {
    [database, next] = await Promise.all([makeDemoDatabase(), makeNext()]);
    replicas = await Promise.all([Replica.start(database.url), Replica.start(database.url)]);
    nginx = await startNginx(replicas.map(({ port }) => port));
  }, LONG);

  afterAll(async () => {
    await Promise.all(replicas.map(expectEnd));
    await nginx.close();
    await database.drop();
    await rm(dirname(next), { recursive: true });
  }, LONG);

  describe('a rolling upgrade with a pending migration', () => {
    it(
      'no client sees it; the new version does not start before "migrate"',
      async (context) => {
        const figures = await underLoad(nginx.url, {
          fault: async () => {
            const early = startOf(next);
            expect(await early.ends()).toBe(1);
            expect(early.stderr()).toBe(
              `im-signature did not start. the database lacks 1 migration(s), first ${NAME}: run "im-signature migrate"\n`,
            );
            expect(await migrate()).toContain(`applied ${NAME}\n`);
            // The old ones still serve.
            expect(await readiness()).toEqual(all('ready'));
            await expectRestart(replicas, next);
          },
          lasts: 0,
          mend: nothing,
        });
        expectUnnoticed(context, figures);
        expect(await readiness()).toEqual(all('ready'));
      },
      LONG,
    );
  });

  describe('the migration is reverted while the new version serves, and applied again', () => {
    it(
      'no client sees it; probes are told 503 until then',
      async (context) => {
        const figures = await underLoad(nginx.url, {
          fault: async () => {
            await migrate('--revert', NAME);
            const lacking = all('The database lacks 1 migration(s) of this build.');
            await vi.waitFor(async () => {
              expect(await readiness()).toEqual(lacking);
            }, 10_000);
          },
          lasts: 0,
          mend: () => migrate(),
        });
        expectUnnoticed(context, figures);
        await vi.waitFor(async () => {
          expect(await readiness()).toEqual(all('ready'));
        }, 10_000);
      },
      LONG,
    );
  });

  describe('back to the old version, on the newer schema', () => {
    it(
      'no client sees it; the log names the migration',
      async (context) => {
        const figures = await underLoad(nginx.url, { fault: () => expectRestart(replicas), lasts: 0, mend: nothing });
        expectUnnoticed(context, figures);
        expect(await readiness()).toEqual(all('ready'));
        for (const { program } of replicas) {
          expect(program.output()).toMatch(
            new RegExp(`Migrations are applied that this build lacks: .* \\(1\\): ${NAME}\\n`),
          );
        }
      },
      LONG,
    );
  });
});

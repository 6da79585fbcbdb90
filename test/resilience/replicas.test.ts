import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { TestDatabase } from '../support/database.js';
import { makeDemoDatabase } from './demo-database.js';
import { type Figures, underLoad } from './load.js';
import { hasNginx, type Nginx, startNginx } from './nginx.js';
import { expectEnd, expectRestart, Replica } from './replica.js';
import { measured } from './table.js';

/** Programs start slowly on a busy machine. */
const LONG = 400_000;
/** Milliseconds in which nginx asks a replica again that failed, 3 s, and as much again for slow machines. */
const ASKED_AGAIN = 6_000;
/** Milliseconds that an answer may take, and that it may take where a replica hangs, 3 s, and as much again for slow machines. */
const ANY_ANSWER = 2_000;
const AFTER_HANGING = 6_000;

let database: TestDatabase;
let replicas: readonly [Replica, Replica, Replica];
let nginx: Nginx;

/** No client is refused, or loses a request. */
function expectUnnoticed(context: TestContext, figures: Figures, within: number, more = ''): void {
  measured(context, figures.text + more);
  expect(figures.wrong).toEqual([]);
  expect(figures.refused).toBe(0);
  expect(figures.slowest).toBeLessThan(within);
}

describe.runIf(hasNginx)('behind nginx as the documentation configures it for several replicas,', () => {
  beforeAll(async () => {
    database = await makeDemoDatabase();
    replicas = await Promise.all([
      Replica.start(database.url),
      Replica.start(database.url),
      Replica.start(database.url),
    ]);
    nginx = await startNginx(replicas.map(({ port }) => port));
  }, LONG);

  afterAll(async () => {
    await Promise.all(replicas.map(expectEnd));
    await nginx.close();
    await database.drop();
  });

  describe('one of three replicas behind nginx killed (kill -9), started again', () => {
    it(
      'no client sees it; nginx asks it again within 3 s',
      async (context) => {
        const [replica] = replicas;
        let askedAfter = 0;
        const figures = await underLoad(nginx.url, {
          fault: () => replica.program.process.kill('SIGKILL'),
          lasts: 2_000,
          mend: async () => {
            expect(await replica.program.ends()).toBe('SIGKILL');
            await replica.startAgain();
            const startedAt = performance.now();
            await replica.program.prints(/Answered/);
            askedAfter = performance.now() - startedAt;
          },
        });
        expectUnnoticed(
          context,
          figures,
          ANY_ANSWER,
          `; asked again ${(askedAfter / 1000).toFixed(1)} s after its start`,
        );
        expect(askedAfter).toBeLessThan(ASKED_AGAIN);
      },
      LONG,
    );
  });

  describe('one of three replicas behind nginx hangs (SIGSTOP)', () => {
    it('no client is refused; those that it was to answer wait for 3 s', async (context) => {
      const [, replica] = replicas;
      const figures = await underLoad(nginx.url, {
        fault: () => replica.program.process.kill('SIGSTOP'),
        lasts: 5_000,
        mend: () => replica.program.process.kill('SIGCONT'),
      });
      expectUnnoticed(context, figures, AFTER_HANGING);
    });
  });

  describe('three replicas behind nginx restarted, one after the other (SIGTERM)', () => {
    it(
      'no client sees it',
      async (context) => {
        const figures = await underLoad(nginx.url, {
          fault: () => expectRestart(replicas),
          lasts: 0,
          mend: () => undefined,
        });
        expectUnnoticed(context, figures, ANY_ANSWER);
      },
      LONG,
    );
  });
});

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { masterKeyPurpose, seal } from '../src/apps/sealing.js';
import { parseSecretsKey } from '../src/config/secrets-key.js';
import type { ProblemDetails } from '../src/operations/problem.js';
import { makeDatabase, type TestDatabase } from './support/database.js';
import { type Program, run } from './support/program.js';
import { proxyTo, type TcpProxy } from './support/tcp-proxy.js';

/** DESIGN, "Freshness": milliseconds from a commit until a change is in force everywhere. */
const IN_FORCE = 1_000;

/** Changes of each kind in one test, of which there are eight. */
const COUNT = 90;

/** Changes before which is asked together. */
const GROUP = 8;

/** One change of what is asked at `path`, for the subject with this number. */
interface Kind {
  readonly name: string;
  readonly path: (n: number) => string;
  readonly before: string;
  readonly change: (n: number) => string;
  readonly after: string;
}

const KINDS: Kind[] = [
  {
    name: 'a ban',
    path: (n) => `login/shop/to-ban-${n}`,
    before: 'allowed',
    change: (n) => `INSERT INTO client_bans (app_id, client_id) VALUES ('shop', 'to-ban-${n}')`,
    after: 'client_banned',
  },
  {
    name: 'the end of a ban',
    path: (n) => `conversion/shop/me/banned-${n}`,
    before: 'member_banned',
    change: (n) => `DELETE FROM client_bans WHERE app_id = 'shop' AND client_id = 'banned-${n}'`,
    after: 'allowed',
  },
  {
    name: 'a member joined',
    path: (n) => `invite/shop/guest-${n}/c`,
    before: 'not_permitted',
    change: (n) => `INSERT INTO conversation_members VALUES ('shop', 'c', 'guest-${n}', 'member')`,
    after: 'allowed',
  },
  {
    name: 'a member left',
    path: (n) => `invite/shop/member-${n}/c/eve`,
    before: 'allowed',
    change: (n) => `DELETE FROM conversation_members WHERE app_id = 'shop' AND client_id = 'member-${n}'`,
    after: 'not_permitted',
  },
  {
    name: 'a member made manager',
    path: (n) => `kick/shop/rising-${n}/c/bob`,
    before: 'not_permitted',
    change: (n) =>
      `UPDATE conversation_members SET role = 'manager' WHERE app_id = 'shop' AND client_id = 'rising-${n}'`,
    after: 'allowed',
  },
  {
    name: 'a rule',
    path: (n) => `invite/shop/me/open-${n}`,
    before: 'allowed',
    change: (n) =>
      `UPDATE conversations SET join_rule = 'invited' WHERE app_id = 'shop' AND conversation_id = 'open-${n}'`,
    after: 'not_permitted',
  },
  {
    name: 'a conversation closed',
    path: (n) => `invite/shop/me/closing-${n}`,
    before: 'allowed',
    change: (n) => `DELETE FROM conversations WHERE app_id = 'shop' AND conversation_id = 'closing-${n}'`,
    after: 'conversation_unknown',
  },
  {
    name: 'an app disabled',
    path: (n) => `login/app-${n}/me`,
    before: 'allowed',
    change: (n) => `UPDATE apps SET disabled = true WHERE app_id = 'app-${n}'`,
    after: 'app_disabled',
  },
];

const END_LISTENERS = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = 'im-signature changes' AND datname = current_database()`;

const SECRETS_KEY = randomBytes(32).toString('base64');
const sealed = (appId: string): string =>
  seal('a-master-key', masterKeyPurpose(appId, 1), parseSecretsKey(SECRETS_KEY));

let database: TestDatabase;
let network: TcpProxy;
let services: { program: Program; url: string }[];

beforeEach(async () => {
  database = await makeDatabase('migrated');
  const appIds = ['shop', ...Array.from({ length: COUNT }, (_, n) => `app-${n}`)];
  await database.query(
    `INSERT INTO apps (app_id, name, identity, membership)
     SELECT app_id, app_id, 'none', 'required' FROM unnest($1::text[]) app_id`,
    [appIds],
  );
  await database.query(
    `INSERT INTO app_master_keys (app_id, version, sealed_key)
     SELECT app_id, 1, sealed_key FROM unnest($1::text[], $2::text[]) AS keys (app_id, sealed_key)`,
    [appIds, appIds.map(sealed)],
  );
  const many = `generate_series(0, ${COUNT - 1}) n`;
  await database.query(`INSERT INTO client_bans SELECT 'shop', 'banned-' || n FROM ${many}`);
  await database.query(`
    INSERT INTO conversations (app_id, conversation_id, join_rule)
    SELECT 'shop', kind || n, 'anyone' FROM ${many}, unnest(ARRAY['open-', 'closing-']) kind
    UNION ALL SELECT 'shop', 'c', 'invited'`);
  await database.query(`
    INSERT INTO conversation_members
    SELECT 'shop', 'c', kind || n, 'member' FROM ${many}, unnest(ARRAY['member-', 'rising-']) kind
    UNION ALL SELECT 'shop', 'c', 'bob', 'member'`);

  network = await proxyTo(database.url);
  const proxied = new URL(database.url);
  proxied.port = String(network.port);
  services = await Promise.all(
    [database.url, proxied.href].map(async (DATABASE_URL) => {
      const program = run('src/main.js', { PORT: '0', DATABASE_URL, SECRETS_KEY });
      const [, url = ''] = await program.prints(/Ready on (http:[\w./:-]+)/);
      await program.prints(/Changes are heard/);
      return { program, url };
    }),
  );
});

afterEach(async () => {
  for (const { program } of services) program.process.kill('SIGTERM');
  await Promise.all(services.map(({ program }) => program.ends()));
  await network.close();
  await database.drop();
});

async function ask(url: string, path: string): Promise<string> {
  const response = await fetch(`${url}/signature/${path}`);
  const body = (await response.json()) as ProblemDetails;
  return response.ok ? 'allowed' : body.code;
}

interface Outcome {
  changes: number;
  answers: number;
  /** Answers while PostgreSQL could not be asked. */
  unavailable: number;
  /** Answers that say what was no longer so for a second. */
  stale: string[];
}

/** Asks both processes before each change, right after it, and once more when it has to be in force. */
async function changeEverything(): Promise<Outcome> {
  const outcome: Outcome = { changes: 0, answers: 0, unavailable: 0, stale: [] };
  const changes = Array.from({ length: COUNT }, (_, n) => KINDS.map((kind) => ({ kind, n }))).flat();
  /** @param committed when the change was; undefined: not yet. */
  const askBoth = async (kind: Kind, n: number, committed?: number): Promise<void> => {
    await Promise.all(
      services.map(async ({ url }, i) => {
        const answer = await ask(url, kind.path(n));
        const since = committed === undefined ? -1 : performance.now() - committed;
        const holds = [...(since <= IN_FORCE ? [kind.before] : []), ...(since >= 0 ? [kind.after] : [])];
        outcome.answers++;
        if (answer === 'unavailable') outcome.unavailable++;
        else if (!holds.includes(answer)) {
          outcome.stale.push(`${kind.name} ${n}: process ${i} says ${answer} after ${Math.round(since)} ms`);
        }
      }),
    );
  };
  const laterAnswers: Promise<void>[] = [];
  for (let first = 0; first < changes.length; first += GROUP) {
    const group = changes.slice(first, first + GROUP);
    await Promise.all(group.map(({ kind, n }) => askBoth(kind, n)));
    for (const { kind, n } of group) {
      await database.query(kind.change(n));
      const committed = performance.now();
      outcome.changes++;
      laterAnswers.push(
        askBoth(kind, n, committed),
        // To the passing of a second nothing else can be awaited.
        sleep(IN_FORCE + 5).then(() => askBoth(kind, n, committed)),
      );
    }
  }
  await Promise.all(laterAnswers);
  return outcome;
}

const report = (what: string, { changes, answers, unavailable, stale }: Outcome): void => {
  process.stdout.write(
    `${what}: ${changes} changes, ${answers} answers, ${unavailable} unavailable, ${stale.length} stale\n`,
  );
};

/** Does something again and again until the work is done. */
async function during<T>(work: Promise<T>, ms: number, disturb: () => Promise<void> | void): Promise<T> {
  const done = new AbortController();
  const finished = work.finally(() => {
    done.abort();
  });
  const disturbing = (async () => {
    while (!done.signal.aborted) {
      await disturb();
      await sleep(ms);
    }
  })();
  const [result] = await Promise.all([finished, disturbing]);
  return result;
}

describe('no answer of two processes contradicts what was committed a second before', () => {
  it('while all is well', async () => {
    const outcome = await changeEverything();
    report('all well', outcome);
    expect(outcome.stale).toEqual([]);
    expect(outcome).toMatchObject({ changes: COUNT * KINDS.length, unavailable: 0 });
  });

  it('while the server ends the connections that listen', async () => {
    let ended = 0;
    const outcome = await during(changeEverything(), 500, async () => {
      ended += (await database.query(END_LISTENERS)).length;
    });
    report(`${ended} connections ended`, outcome);
    expect(ended).toBeGreaterThan(2);
    expect(outcome.stale).toEqual([]);
  });

  it('while what the server says comes late, and with it that the connection has ended', async () => {
    let ended = 0;
    // After each there is more than a second, in which nothing else makes the service forget.
    const outcome = await during(changeEverything(), 1_500, async () => {
      const release = network.holdBackWhere('LISTEN im_signature_changes');
      // So long that an answer to a heartbeat is among what is held back.
      await sleep(300);
      ended += (await database.query(END_LISTENERS)).length;
      release();
    });
    report(`${ended} connections ended late`, outcome);
    expect(ended).toBeGreaterThan(2);
    expect(outcome.stale).toEqual([]);
  });

  it('while the packets of the connection that listens are dropped', async () => {
    let dropped = 0;
    const outcome = await during(changeEverything(), 700, () => {
      dropped += network.stopForwardingWhere('LISTEN im_signature_changes');
    });
    report(`${dropped} connections went silent`, outcome);
    expect(dropped).toBeGreaterThan(0);
    expect(outcome.stale).toEqual([]);
    expect(services[1]?.program.output()).toContain('a heartbeat was not answered in time');
  });
});

it('a change of which nobody is told would be noticed by these tests', async () => {
  // What is written into a table that inherits from it is found in this one, and meets no trigger of it.
  await database.query('CREATE TABLE more_bans () INHERITS (client_bans)');
  await Promise.all(services.map(({ program }) => program.prints(/Changes are heard.*Changes are heard/s)));
  await Promise.all(services.map(({ url }) => ask(url, 'login/shop/to-ban-0')));
  await database.query(`INSERT INTO more_bans (app_id, client_id) VALUES ('shop', 'to-ban-0')`);
  await sleep(IN_FORCE);
  const answers = await Promise.all(services.map(({ url }) => ask(url, 'login/shop/to-ban-0')));
  expect(answers).toContain('allowed');
});

describe('everybody is answered', () => {
  /** Asks both processes, one after another, until the work is done. */
  async function askMeanwhile(what: string, work: Promise<unknown>): Promise<void> {
    const done = new AbortController();
    const finished = work.finally(() => {
      done.abort();
    });
    const waits: number[] = [];
    const asking = services.map(async ({ url }) => {
      while (!done.signal.aborted) {
        const began = performance.now();
        expect(await ask(url, 'kick/shop/member-0/c/member-0')).toBe('allowed');
        expect(await ask(url, 'invite/shop/member-0/c/eve')).toBe('allowed');
        waits.push(performance.now() - began);
      }
    });
    await Promise.all([finished, ...asking]);
    process.stdout.write(
      `${what}: ${2 * waits.length} answers, the slowest two took ${Math.round(Math.max(...waits))} ms\n`,
    );
    expect(waits.length).toBeGreaterThan(0);
  }

  it('while statements change 100,000 rows each', async () => {
    const change = async (): Promise<void> => {
      const MANY = 'generate_series(1, 100000) n';
      await database.query(
        `INSERT INTO conversation_members SELECT 'shop', 'c', 'crowd-' || n, 'member' FROM ${MANY}`,
      );
      await database.query(`UPDATE conversation_members SET role = 'manager' WHERE client_id LIKE 'crowd-%'`);
      await database.query(`DELETE FROM conversation_members WHERE client_id LIKE 'crowd-%'`);
    };
    await askMeanwhile('300,000 rows in 3 statements', change());
  });

  it('while one small change follows another', async () => {
    const changes = 5_000;
    const began = performance.now();
    // Each is a statement, and committed, of its own, some thousand a second: waiting for the disk would make them fewer.
    await database.query('SET synchronous_commit = off');
    const change = database.query(`
      DO $$ BEGIN
        FOR n IN 1..${changes} LOOP
          INSERT INTO client_bans (app_id, client_id, reason) VALUES ('shop', 'spammer-' || n % 100, 'spam')
          ON CONFLICT (app_id, client_id) DO UPDATE SET reason = EXCLUDED.reason;
          COMMIT;
          IF n % 10 = 0 THEN
            PERFORM pg_sleep(0.001);
          END IF;
        END LOOP;
      END $$`);
    await askMeanwhile(`${changes} statements`, change);
    process.stdout.write(
      `${Math.round(changes / ((performance.now() - began) / 1000))} statements a second\n`,
    );
  });
});

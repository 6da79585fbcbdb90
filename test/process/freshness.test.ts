import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hmacSecretPurpose, masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import type { ProblemDetails } from '../../src/problems/problem-error.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { inSeconds, secretKey, tokenFor } from '../support/issuer.js';
import { type Program, run } from '../support/program.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';

/** Changes of each kind. */
const COUNT = 300;
const WRITERS = 8;
const APPS = 40;

/** docs/design.md, "Freshness": milliseconds from a commit until a change of an app is in force everywhere. */
const APP_IN_FORCE = 1_000;

/** One change of what is asked at `path`, for the subject with this number. */
interface Kind {
  readonly name: string;
  readonly path: (n: number) => string;
  readonly before: string;
  readonly change: (n: number) => string;
  readonly after: string;
  /** The caller's, by the number of the subject. */
  readonly tokens?: readonly string[];
}

const SECRET = 'a secret of the issuer, 32 bytes long';
const tokens = await Promise.all(
  Array.from({ length: COUNT }, (_, n) => tokenFor(secretKey(SECRET), `ended-${n}`, { iat: inSeconds(-60) })),
);

const KINDS: Kind[] = [
  {
    // The token is cached from the answer before.
    name: 'a cut-off',
    path: (n) => `login/tokens/ended-${n}`,
    before: 'allowed',
    change: (n) => `INSERT INTO client_cutoffs (app_id, client_id) VALUES ('tokens', 'ended-${n}')`,
    after: 'identity_revoked',
    tokens,
  },
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
    name: 'a limit reached',
    path: (n) => `invite/shop/me/tight-${n}`,
    before: 'allowed',
    change: (n) => `INSERT INTO conversation_members VALUES ('shop', 'tight-${n}', 'somebody', 'member')`,
    after: 'conversation_full',
  },
  {
    name: 'a conversation closed',
    path: (n) => `invite/shop/me/closing-${n}`,
    before: 'allowed',
    change: (n) => `DELETE FROM conversations WHERE app_id = 'shop' AND conversation_id = 'closing-${n}'`,
    after: 'conversation_unknown',
  },
];

const SECRETS_KEY = randomBytes(32).toString('base64');
const sealed = (appId: string, version: number, key: string): string =>
  seal(key, masterKeyPurpose(appId, version), parseSecretsKey(SECRETS_KEY));

let database: TestDatabase;
let services: { program: Program; url: string }[];

beforeAll(async () => {
  database = await makeDatabase('migrated');
  const appIds = ['shop', ...Array.from({ length: APPS }, (_, n) => `app-${n}`)];
  await database.query(
    `INSERT INTO apps (app_id, name, identity, membership)
     SELECT app_id, app_id, 'none', 'required' FROM unnest($1::text[]) app_id`,
    [appIds],
  );
  await database.query(
    `INSERT INTO app_master_keys (app_id, version, sealed_key)
     SELECT app_id, 1, sealed_key FROM unnest($1::text[], $2::text[]) AS keys (app_id, sealed_key)`,
    [appIds, appIds.map((appId) => sealed(appId, 1, 'old-key'))],
  );
  await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('tokens', 'Tokens', 'jwt')`);
  await database.query(`INSERT INTO app_master_keys VALUES ('tokens', 1, $1)`, [sealed('tokens', 1, 'a-key')]);
  await database.query(
    `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ('tokens', '{HS256}', $1)`,
    [seal(SECRET, hmacSecretPurpose('tokens'), parseSecretsKey(SECRETS_KEY))],
  );
  services = await Promise.all(
    [0, 1].map(async () => {
      const program = run('src/main.js', { PORT: '0', DATABASE_URL: database.url, SECRETS_KEY });
      const [, url = ''] = await program.prints(/Ready on (http:[\w./:-]+)/);
      return { program, url };
    }),
  );
});

afterAll(async () => {
  for (const { program } of services) program.process.kill('SIGTERM');
  await Promise.all(services.map(({ program }) => program.ends()));
  await database.drop();
});

async function resetRules(): Promise<void> {
  const many = `generate_series(0, ${COUNT - 1}) n`;
  await database.query('TRUNCATE client_bans, client_cutoffs, conversations, conversation_members');
  await database.query(`INSERT INTO client_bans SELECT 'shop', 'banned-' || n FROM ${many}`);
  await database.query(`
    INSERT INTO conversations (app_id, conversation_id, join_rule, member_limit)
    SELECT 'shop', kind || n, 'anyone', CASE kind WHEN 'tight-' THEN 1 END
    FROM ${many}, unnest(ARRAY['open-', 'closing-', 'tight-']) kind
    UNION ALL SELECT 'shop', 'c', 'invited', NULL`);
  await database.query(`
    INSERT INTO conversation_members
    SELECT 'shop', 'c', kind || n, 'member' FROM ${many}, unnest(ARRAY['member-', 'rising-']) kind
    UNION ALL SELECT 'shop', 'c', 'bob', 'member'`);
}

const urlOf = (process: number): string => services[process % 2]?.url ?? '';

async function ask(url: string, path: string, token?: string): Promise<string> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/signature/${path}`, { headers });
  const body = (await response.json()) as ProblemDetails;
  return response.ok ? 'allowed' : body.code;
}

interface Outcome {
  changes: number;
  answers: number;
  /** Answers while PostgreSQL could not be asked. */
  unavailable: number;
  /** Answers that contradict what was committed before they were asked for. */
  contradictions: string[];
}

/** Asks one of the processes before each change, and at once after its commit. */
async function changeEverything(
  count: number,
  write: (client: Client, sql: string) => Promise<unknown>,
): Promise<Outcome> {
  const outcome: Outcome = { changes: 0, answers: 0, unavailable: 0, contradictions: [] };
  const changes = Array.from({ length: count }, (_, n) => KINDS.map((kind) => ({ kind, n }))).flat();
  const expectAnswer = async (kind: Kind, n: number, expected: string): Promise<void> => {
    const answer = await ask(urlOf(n), kind.path(n), kind.tokens?.[n]);
    outcome.answers++;
    if (answer === 'unavailable') outcome.unavailable++;
    else if (answer !== expected) {
      outcome.contradictions.push(`${kind.name} ${n}: ${answer}, not ${expected}`);
    }
  };
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      for (let next = changes.shift(); next !== undefined; next = changes.shift()) {
        const { kind, n } = next;
        await expectAnswer(kind, n, kind.before);
        await write(client, kind.change(n));
        outcome.changes++;
        await expectAnswer(kind, n, kind.after);
      }
      await client.end();
    }),
  );
  return outcome;
}

const report = (what: string, { changes, answers, unavailable, contradictions }: Outcome): void => {
  process.stdout.write(
    `${what}: ${changes} changes, ${answers} answers, ${unavailable} unavailable, ${contradictions.length} contradictions\n`,
  );
};

describe('every request sent after a commit is answered by it, in each of two processes:', () => {
  it('bans, cut-offs, members, roles, rules, limits and conversations', async () => {
    await resetRules();
    const outcome = await changeEverything(COUNT, (client, sql) => client.query(sql));
    report('read after commit', outcome);
    expect(outcome.contradictions).toEqual([]);
    expect(outcome.changes).toBe(COUNT * KINDS.length);
    // Few: on a machine that stands still for a second, the questions of that moment.
    expect(outcome.unavailable).toBeLessThan(outcome.answers / 20);
  });

  it('also while PostgreSQL terminates the connections of the service', async () => {
    await resetRules();
    const done = new AbortController();
    let ended = 0;
    const ending = (async () => {
      while (!done.signal.aborted) {
        const rows = await database.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE application_name = 'im-signature' AND datname = current_database()`,
        );
        ended += rows.length;
        await sleep(500);
      }
    })();
    const outcome = await changeEverything(COUNT, (client, sql) => client.query(sql)).finally(() => {
      done.abort();
    });
    await ending;
    report(`${ended} connections ended`, outcome);
    expect(ended).toBeGreaterThan(5);
    expect(outcome.contradictions).toEqual([]);
  });

  it('and this test detects answers by older rows', async () => {
    await resetRules();
    const held: Client[] = [];
    const count = 10;
    const outcome = await changeEverything(count, async (client, sql) => {
      // Committed only when everything was asked.
      if (!held.includes(client)) {
        held.push(client);
        await client.query('BEGIN');
      }
      await client.query(sql);
    });
    report('not committed', outcome);
    expect(outcome.contradictions).toHaveLength(count * KINDS.length);
  });
});

describe('a change of an app', () => {
  it('is in force in both processes within a second, and each answer before is by the old app', async () => {
    let asked = 0;
    let unavailable = 0;
    const wrong: string[] = [];
    const changeApp = async (n: number): Promise<void> => {
      const appId = `app-${n}`;
      /** Which of its states an answer is of: seconds under the old key, or milliseconds under the new one. */
      const stateOf = async (process: number): Promise<string> => {
        const answer = (await (await fetch(`${urlOf(process)}/signature/login/${appId}/me`)).json()) as Answer;
        asked++;
        if (answer.code !== undefined) return String(answer.code);
        const format = /^\d{10}\.\d{6}$/.test(String(answer.timestamp)) ? 'seconds' : 'milliseconds';
        const key = answer.signature === hmac(messageOf(answer), 'old-key') ? 'old' : 'new';
        if (key === 'new' && answer.signature !== hmac(messageOf(answer), 'new-key')) return 'neither key';
        return `${format} ${key}`;
      };
      const expectState = async (when: string, ...states: string[]): Promise<void> => {
        for (const process of [0, 1]) {
          let state = await stateOf(process);
          // A machine that stands still for a second is right to refuse; then the question is asked again.
          for (let tries = 1; state === 'unavailable' && tries < 3; tries++) {
            unavailable++;
            state = await stateOf(process);
          }
          if (!states.includes(state)) wrong.push(`${appId} ${when}: ${state}`);
        }
      };
      await expectState('before', 'seconds old');
      const client = new Client({ connectionString: database.url });
      await client.connect();
      await client.query('BEGIN');
      await client.query(`UPDATE apps SET timestamp_format = 'milliseconds' WHERE app_id = $1`, [appId]);
      await client.query(`INSERT INTO app_master_keys VALUES ($1, 2, $2, now())`, [appId, sealed(appId, 2, 'new-key')]);
      await client.query('COMMIT');
      const committed = performance.now();
      const isNew = (): boolean => performance.now() - committed > APP_IN_FORCE;
      do await expectState('within the second', 'seconds old', 'milliseconds new');
      while (!isNew());
      await expectState('after a second', 'milliseconds new');
      await client.query('UPDATE apps SET disabled = true WHERE app_id = $1', [appId]);
      // To the passing of a second nothing else can be awaited.
      await sleep(APP_IN_FORCE);
      await expectState('disabled', 'app_disabled');
      await client.end();
    };
    await Promise.all(Array.from({ length: APPS }, (_, n) => changeApp(n)));
    process.stdout.write(
      `apps: ${2 * APPS} changes, ${asked} answers, ${unavailable} unavailable, ${wrong.length} wrong\n`,
    );
    expect(wrong).toEqual([]);
    expect(asked).toBeGreaterThanOrEqual(2 * 4 * APPS);
  });
});

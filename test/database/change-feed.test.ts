import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ChangeFeed } from '../../src/database/change-feed.js';
import { connect, serviceOptions } from '../../src/database/data-source.js';
import { inBatches } from '../../src/database/in-batches.js';
import type { RowCache } from '../../src/database/row-cache.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { proxyTo } from '../support/tcp-proxy.js';

/** How long at most is waited for what has to happen. */
const WITHIN = { timeout: 10_000 };

let database: TestDatabase;
let dataSource: DataSource;
let feed: ChangeFeed;
/** Reasons of bans by `app:client`. */
let reasons: RowCache<string>;
/** The keys of each query. */
let queries: string[][];
/** How many of them PostgreSQL has answered. */
let answered: number;
/** What a look-up waits for after PostgreSQL has answered. */
let held: Promise<void>;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  dataSource = await connect(serviceOptions(database.url, 5));
});

afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

beforeEach(async () => {
  await database.query('DELETE FROM apps');
  await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('1', 'An app', 'none')`);
  queries = [];
  answered = 0;
  held = Promise.resolve();
  feed = new ChangeFeed(dataSource);
  reasons = feed.cache({
    name: 'reasons',
    max: 1000,
    keyParts: 2,
    tables: ['client_bans'],
    fetch: inBatches(async (keys) => {
      queries.push([...keys]);
      const rows = await dataSource.query<{ key: string; reason: string }[]>(
        `SELECT app_id || ':' || client_id AS key, reason FROM client_bans WHERE app_id || ':' || client_id = ANY ($1)`,
        [keys],
      );
      answered++;
      await held;
      return new Map(rows.map(({ key, reason }) => [key, reason]));
    }),
  });
  feed.cache({
    name: 'names',
    max: 1,
    keyParts: 1,
    tables: ['apps'],
    fetch: () => Promise.resolve(undefined),
  });
  feed.onApplicationBootstrap();
  await vi.waitUntil(() => feed.trusted, WITHIN);
});

afterEach(() => {
  feed.onApplicationShutdown();
});

const ban = async (clientId: string, reason: string): Promise<void> => {
  await database.query(
    `INSERT INTO client_bans (app_id, client_id, reason) VALUES ('1', $1, $2)
     ON CONFLICT (app_id, client_id) DO UPDATE SET reason = EXCLUDED.reason`,
    [clientId, reason],
  );
};

/** Ends the connections that listen to changes of this database, and returns how many there were. */
const killListeners = async (): Promise<number> =>
  (
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'im-signature changes' AND datname = current_database()`,
    )
  ).length;

describe('what was looked up', () => {
  it('is remembered, and so is that it is not there', async () => {
    await ban('alice', 'spam');
    await feed.caughtUp();
    for (let i = 0; i < 3; i++) {
      expect(await reasons.get('1:alice')).toBe('spam');
      expect(await reasons.get('1:bob')).toBeUndefined();
    }
    expect(queries).toEqual([['1:alice'], ['1:bob']]);
    expect(String(reasons)).toBe('reasons: 2 remembered, 66.6 % of 6 look-ups without a query');
  });

  it.each<[string, string, string | undefined]>([
    ['was inserted', `INSERT INTO client_bans VALUES ('1', 'new', NULL, 'late')`, 'late'],
    ['was updated', `UPDATE client_bans SET reason = 'late' WHERE client_id = 'new'`, 'late'],
    ['was deleted', `DELETE FROM client_bans WHERE client_id = 'new'`, undefined],
    ['was renamed', `UPDATE client_bans SET client_id = 'old' WHERE client_id = 'new'`, undefined],
    ['went with its app', `DELETE FROM apps`, undefined],
    ['went with all others', `TRUNCATE client_bans`, undefined],
  ])('is looked up anew when it %s', async (what, change, after) => {
    if (what !== 'was inserted') await ban('new', 'early');
    await feed.caughtUp();
    expect(await reasons.get('1:new')).toBe(what === 'was inserted' ? undefined : 'early');
    expect(await reasons.get('1:old')).toBeUndefined();
    await database.query(change);
    await feed.caughtUp();
    expect(await reasons.get('1:new')).toBe(after);
    expect(await reasons.get('1:old')).toBe(what === 'was renamed' ? 'early' : undefined);
  });

  it('stays remembered when others change', async () => {
    await ban('alice', 'spam');
    await feed.caughtUp();
    await reasons.get('1:alice');
    await ban('bob', 'spam');
    await database.query(`UPDATE apps SET name = 'Renamed'`);
    await feed.caughtUp();
    await reasons.get('1:alice');
    expect(queries).toHaveLength(1);
  });

  it('before a change does not come to be remembered after it', async () => {
    await ban('alice', 'early');
    await feed.caughtUp();
    let release = (): void => undefined;
    held = new Promise((resolve) => {
      release = resolve;
    });
    const begunBefore = reasons.get('1:alice');
    await vi.waitUntil(() => answered === 1);
    await ban('alice', 'late');
    await feed.caughtUp();
    const begunAfter = reasons.get('1:alice');
    release();
    expect(await begunBefore).toBe('early');
    expect(await begunAfter).toBe('late');
    expect(await reasons.get('1:alice')).toBe('late');
    expect(queries).toHaveLength(2);
  });

  it('in vain, as PostgreSQL failed, is not remembered', async () => {
    held = Promise.reject(new Error('it failed'));
    held.catch(() => undefined);
    await expect(reasons.get('1:alice')).rejects.toThrow('it failed');
    held = Promise.resolve();
    expect(await reasons.get('1:alice')).toBeUndefined();
  });
});

describe('look-ups at the same time', () => {
  it('of one row are one query', async () => {
    await Promise.all(Array.from({ length: 100 }, async () => reasons.get('1:alice')));
    expect(queries).toEqual([['1:alice']]);
  });

  it('of many rows are one query', async () => {
    const keys = Array.from({ length: 100 }, (_, i) => `1:${i}`);
    await Promise.all(keys.map(async (key) => reasons.get(key)));
    expect(queries).toEqual([keys]);
  });
});

describe('a notice', () => {
  let listener: Client;
  let payloads: string[];

  beforeEach(async () => {
    payloads = [];
    listener = new Client({ connectionString: database.url });
    listener.on('notification', ({ payload = '' }) => payloads.push(payload));
    await listener.connect();
    await listener.query('LISTEN im_signature_changes');
  });

  afterEach(async () => {
    await listener.end();
  });

  /** The notices of a statement. */
  async function noticesOf(sql: string): Promise<unknown[]> {
    payloads.length = 0;
    await database.query(sql);
    await listener.query('SELECT 1');
    return payloads
      .filter((payload) => !payload.startsWith('echo '))
      .map((payload) => JSON.parse(payload) as unknown);
  }

  const BANS = `INSERT INTO client_bans (app_id, client_id) SELECT '1', 'client-' || n FROM generate_series`;

  it('names each key once', async () => {
    expect(await noticesOf(`${BANS}(1, 3) n`)).toEqual([
      {
        table: 'client_bans',
        keys: [
          ['1', 'client-1'],
          ['1', 'client-2'],
          ['1', 'client-3'],
        ],
      },
    ]);
    expect(await noticesOf(`UPDATE client_bans SET reason = 'spam' WHERE client_id = 'client-2'`)).toEqual([
      { table: 'client_bans', keys: [['1', 'client-2']] },
    ]);
  });

  it('is not sent by a statement that changes nothing', async () => {
    expect(await noticesOf(`DELETE FROM client_bans WHERE client_id = 'nobody'`)).toEqual([]);
    expect(
      await noticesOf(`INSERT INTO apps VALUES ('1', 'x', false, 'none') ON CONFLICT DO NOTHING`),
    ).toEqual([]);
  });

  it.each([
    ['100,000 rows', `${BANS}(1, 100000) n`],
    ['more than a notice can hold', `${BANS}(1, 900) n`],
    [
      'a few very long ids',
      `INSERT INTO client_bans SELECT '1', repeat('😀', 60) || n FROM generate_series(10, 60) n`,
    ],
    ['all rows', `TRUNCATE client_bans`],
  ])('of one statement about %s is one, and says: any', async (_what, sql) => {
    expect(await noticesOf(sql)).toEqual([{ table: 'client_bans', keys: null }]);
  });

  it('that says "any" makes all rows of its table be looked up anew', async () => {
    await reasons.get('1:client-77');
    await database.query(
      `INSERT INTO client_bans SELECT '1', 'client-' || n, NULL, 'raid' FROM generate_series(1, 2000) n`,
    );
    await feed.caughtUp();
    expect(await reasons.get('1:client-77')).toBe('raid');
  });

  it.each(['', 'x', '{}', '[]', 'null', '{"table":"client_bans"}', '{"table":"client_bans","keys":[1]}'])(
    'that cannot be read (%s) makes everything be looked up anew',
    async (payload) => {
      await ban('alice', 'spam');
      await feed.caughtUp();
      await reasons.get('1:alice');
      await database.query(`SELECT pg_notify('im_signature_changes', $1)`, [payload]);
      await vi.waitUntil(() => !feed.trusted, WITHIN);
      await reasons.get('1:alice');
      expect(queries).toHaveLength(2);
      await vi.waitUntil(() => feed.trusted, WITHIN);
    },
  );
});

describe('while changes are not heard', () => {
  it('nothing that was remembered is used, and afterwards it is looked up anew', async () => {
    await ban('alice', 'early');
    await feed.caughtUp();
    await reasons.get('1:alice');
    expect(await killListeners()).toBe(1);
    await vi.waitUntil(() => !feed.trusted, WITHIN);
    // Nobody is told of this change.
    await ban('alice', 'late');
    expect(await reasons.get('1:alice')).toBe('late');
    await vi.waitUntil(() => feed.trusted, WITHIN);
    expect(await reasons.get('1:alice')).toBe('late');
  });

  it('each look-up asks PostgreSQL', async () => {
    feed.onApplicationShutdown();
    await reasons.get('1:alice');
    await reasons.get('1:alice');
    expect(queries).toHaveLength(2);
  });

  it('since the server ended the connection in one breath with an answer, nothing is trusted', async () => {
    feed.onApplicationShutdown();
    const warned = vi.spyOn(Logger.prototype, 'warn');
    const network = await proxyTo(database.url);
    const proxied = new URL(database.url);
    proxied.port = String(network.port);
    const far = new ChangeFeed({ options: { url: proxied.href } } as unknown as DataSource);
    far.onApplicationBootstrap();
    await vi.waitUntil(() => far.trusted, WITHIN);
    const release = network.holdBackWhere('LISTEN');
    // So long that an answer to a heartbeat is among what is held back.
    await sleep(300);
    expect(await killListeners()).toBe(1);
    release();
    await vi.waitUntil(() => warned.mock.calls.length > 0, { timeout: 10_000, interval: 1 });
    expect(far.trusted).toBe(false);
    far.onApplicationShutdown();
    await network.close();
    warned.mockRestore();
  });

  it('because its URL names a certificate that is not there, the service goes on', async () => {
    const url = `${database.url}?sslmode=verify-full&sslrootcert=/not/there.pem`;
    const lame = new ChangeFeed({ options: { url } } as unknown as DataSource);
    lame.onApplicationBootstrap();
    await sleep(1_000);
    expect(lame.trusted).toBe(false);
    lame.onApplicationShutdown();
  });

  it('since a server went away without a word, it is heard again when it is back', async () => {
    const network = await proxyTo(database.url);
    const proxied = new URL(database.url);
    proxied.port = String(network.port);
    const far = new ChangeFeed(await connect(serviceOptions(proxied.href, 1)));
    far.onApplicationBootstrap();
    await vi.waitUntil(() => far.trusted, WITHIN);
    network.stopForwarding();
    await vi.waitUntil(() => !far.trusted, WITHIN);
    network.forwardAgain();
    await vi.waitUntil(() => far.trusted, WITHIN);
    far.onApplicationShutdown();
    await network.close();
  });

  it('nobody waits to be caught up', async () => {
    await killListeners();
    await vi.waitUntil(() => !feed.trusted, WITHIN);
    await expect(feed.caughtUp()).rejects.toThrow('nothing is heard of changes');
  });
});

describe('triggers that do not tell', () => {
  const SWITCHED_OFF = 'ALTER TABLE client_bans DISABLE TRIGGER USER';
  const SWITCHED_ON = `ALTER TABLE client_bans ${['insert', 'update', 'delete', 'truncate']
    .map((event) => `ENABLE ALWAYS TRIGGER announce_${event}`)
    .join(', ')}`;

  it('make nothing be remembered until they do', async () => {
    await reasons.get('1:alice');
    await database.query(SWITCHED_OFF);
    await vi.waitUntil(() => !feed.trusted, WITHIN);
    await ban('alice', 'untold');
    expect(await reasons.get('1:alice')).toBe('untold');
    await database.query(SWITCHED_ON);
    await vi.waitUntil(() => feed.trusted, WITHIN);
    expect(await reasons.get('1:alice')).toBe('untold');
  });

  it('are noticed within a second though they were off for a moment only', async () => {
    await reasons.get('1:alice');
    await database.query('BEGIN');
    await database.query(SWITCHED_OFF);
    await ban('alice', 'untold');
    await database.query(SWITCHED_ON);
    await database.query('COMMIT');
    await sleep(1_000);
    expect(await reasons.get('1:alice')).toBe('untold');
    await vi.waitUntil(() => feed.trusted, WITHIN);
  });

  it('because their table was moved away are noticed, and so is what happens to it there', async () => {
    await database.query('ALTER TABLE client_bans RENAME TO bans_away');
    try {
      await vi.waitUntil(() => !feed.trusted, WITHIN);
    } finally {
      await database.query('ALTER TABLE bans_away RENAME TO client_bans');
    }
    await vi.waitUntil(() => feed.trusted, WITHIN);
    await reasons.get('1:alice');
    await database.query('ALTER TABLE client_bans RENAME TO bans_away');
    await database.query(`INSERT INTO bans_away VALUES ('1', 'alice', NULL, 'untold')`);
    await database.query('ALTER TABLE bans_away RENAME TO client_bans');
    await sleep(1_000);
    expect(await reasons.get('1:alice')).toBe('untold');
    await vi.waitUntil(() => feed.trusted, WITHIN);
  });

  it('are none in a session that switches triggers off', async () => {
    await reasons.get('1:alice');
    await database.query('SET session_replication_role = replica');
    await ban('alice', 'told');
    await database.query('RESET session_replication_role');
    await feed.caughtUp();
    expect(await reasons.get('1:alice')).toBe('told');
  });
});

it('what is remembered of a long URL is the id and not the URL', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 1_000; i++) {
    const url = Buffer.from(`/signature/login/1:client-number-${i}/${'x'.repeat(64 * 1024)}`).toString();
    await reasons.get(url.split('/')[3] ?? '');
  }
  collect();
  expect(String(reasons)).toContain('1000 remembered');
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
});

it('a process that was held up for a second trusts nothing that it remembered', async () => {
  await reasons.get('1:alice');
  const wake = new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(wake, 0, 0, 1_000);
  expect(feed.trusted).toBe(false);
  await reasons.get('1:alice');
  expect(queries).toHaveLength(2);
  await vi.waitUntil(() => feed.trusted, WITHIN);
});

it('a process whose wall clock was set forward trusts nothing that it remembered', () => {
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);
  expect(feed.trusted).toBe(false);
  clock.mockRestore();
});

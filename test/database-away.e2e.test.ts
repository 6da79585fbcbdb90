import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { makeDatabase, type TestDatabase } from './support/database.js';
import { administer } from './support/postgres.setup.js';
import { startService, type TestService } from './support/service.js';
import { proxyTo, type TcpProxy } from './support/tcp-proxy.js';

/** As many as facts are asked for at a time. */
const POOL_SIZE = 4;

let database: TestDatabase;
let network: TcpProxy;
let service: TestService;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  network = await proxyTo(database.url);
  const url = new URL(database.url);
  url.port = String(network.port);
  service = await startService({ DATABASE_URL: url.href, DATABASE_POOL_SIZE: String(POOL_SIZE) });
});

afterAll(async () => {
  await service.close();
  await network.close();
  await database.drop();
});

const login = (): Promise<Response> => fetch(`${service.url}/signature/login/1/alice`);
const status = async (): Promise<number> => (await login()).status;

/** The service's connections, by their processes. */
async function connections(): Promise<number[]> {
  const rows = await database.query<{ pid: number }>(`
    SELECT pid FROM pg_stat_activity
    WHERE application_name = 'im-signature' AND datname = current_database() ORDER BY pid`);
  return rows.map(({ pid }) => pid);
}

/** Waits until so many look-ups wait for a lock. */
async function waiting(count: number): Promise<void> {
  await vi.waitUntil(async () => (await database.waitingForTables()) === count, { timeout: 30_000 });
}

/** Keeps the look-up of bans waiting until the work is done. */
async function whileLocked<T>(work: () => Promise<T>): Promise<T> {
  await database.query('BEGIN; LOCK client_bans');
  try {
    return await work();
  } finally {
    await database.query('ROLLBACK');
  }
}

/** Has the pool hold as many connections as it may, all of them idle. */
async function fillPool(): Promise<void> {
  await status();
  const answers: Promise<number>[] = [];
  await whileLocked(async () => {
    for (let count = 1; count <= POOL_SIZE; count++) {
      answers.push(status());
      await waiting(count);
    }
  });
  // 503 where all this took longer than a look-up may: the connections stay.
  for (const answered of await Promise.all(answers)) expect([200, 503]).toContain(answered);
  await vi.waitUntil(async () => (await connections()).length === POOL_SIZE, { timeout: 30_000 });
}

describe('dead connections that the network does not report', () => {
  it('cost one refusal together, and the next request gets a new connection', async () => {
    await fillPool();
    network.stopForwarding({ newConnections: false });
    expect(await status()).toBe(503);
    for (let i = 0; i < 2 * POOL_SIZE; i++) expect(await status()).toBe(200);
    network.forwardAgain();
  });

  it('and a network that is down are 503 unavailable, and the service recovers without a restart', async () => {
    expect(await status()).toBe(200);
    network.stopForwarding();
    const response = await login();
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ code: 'unavailable' });
    network.forwardAgain();
    expect(await status()).toBe(200);
  });
});

describe('a look-up whose connection PostgreSQL terminates', () => {
  it('is repeated on another connection, and the request is answered', async () => {
    await fillPool();
    const before = await connections();
    const answer = await whileLocked(async () => {
      const asking = status();
      await waiting(1);
      await database.query(`SELECT pg_terminate_backend(pid, 5000) FROM unnest($1::int[]) AS pid`, [before]);
      await waiting(1);
      return { asking };
    });
    expect(await answer.asking).toBe(200);
    expect(before).not.toContain((await connections())[0]);
  });
});

describe('a database that takes no connections for a while', () => {
  const role = `reader_${randomUUID().replaceAll('-', '')}`;
  let own: TestDatabase;
  let guest: TestService;

  beforeAll(async () => {
    own = await makeDatabase('migrated');
    await own.query(`CREATE ROLE ${role} LOGIN PASSWORD 'pw'`);
    await own.query(`GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO ${role}`);
    guest = await startService({
      DATABASE_URL: Object.assign(new URL(own.url), { username: role, password: 'pw' }).href,
    });
  });

  afterAll(async () => {
    await guest.close();
    await own.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await own.drop();
  });

  it.each([
    [
      'ALLOW_CONNECTIONS is false',
      'ALTER DATABASE % ALLOW_CONNECTIONS false',
      'ALTER DATABASE % ALLOW_CONNECTIONS true',
    ],
    ['CONNECT is revoked', 'REVOKE CONNECT ON DATABASE % FROM PUBLIC', 'GRANT CONNECT ON DATABASE % TO PUBLIC'],
  ])('because %s, is not asked for each request, and signs when it takes them again', async (_why, close, open) => {
    const ask = async () => (await fetch(`${guest.url}/signature/login/1/alice`)).status;
    const run = (sql: string) => administer(inject('serverUrl'), sql.replace('%', new URL(own.url).pathname.slice(1)));
    await vi.waitUntil(async () => (await ask()) === 200, { timeout: 30_000 });
    await run(close);
    await own.query(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '${role}'`);
    guest.logged.length = 0;
    await vi.waitUntil(
      async () => {
        expect(await ask()).toBe(503);
        return guest.logged.some((line) => line.includes('Requests are refused at once'));
      },
      { timeout: 30_000 },
    );
    await run(open);
    await vi.waitUntil(async () => (await ask()) === 200, { timeout: 30_000 });
  });
});

describe('a slow query', () => {
  it('is cancelled by PostgreSQL, and its connection stays open', async () => {
    await fillPool();
    const before = await connections();
    await whileLocked(async () => {
      expect(await Promise.all(Array.from({ length: 8 }, status))).toEqual(Array(8).fill(503));
    });
    expect(await connections()).toEqual(before);
    expect(await status()).toBe(200);
  });
});

describe('an app row that is older than a second', () => {
  /** Asks, and lets a second pass while the look-up of the ban waits: the app was read before. */
  async function askSlowly(path: string): Promise<ProblemDetails> {
    await status();
    const { asking } = await whileLocked(async () => {
      const asking = fetch(`${service.url}/signature/${path}`);
      await waiting(1);
      service.clock.advance(1_000);
      return { asking };
    });
    return (await (await asking).json()) as ProblemDetails;
  }

  it('is not signed with', async () => {
    expect(await askSlowly('login/1/alice')).toMatchObject({ code: 'unavailable' });
    expect(await status()).toBe(200);
  });

  it('is not refused on', async () => {
    await database.query(`INSERT INTO client_bans VALUES ('1', 'banned')`);
    expect(await askSlowly('login/1/banned')).toMatchObject({ code: 'unavailable' });
    const answer = await fetch(`${service.url}/signature/login/1/banned`);
    expect(await answer.json()).toMatchObject({ code: 'client_banned' });
  });
});

describe('REQUEST_TIMEOUT_MS', () => {
  it('limits the whole time of a request, and refuses it while its query still runs', async () => {
    const impatient = await startService({ REQUEST_TIMEOUT_MS: '50' });
    const url = `${impatient.url}/signature/login/1/alice`;
    await vi.waitUntil(async () => (await fetch(url)).ok, { timeout: 30_000 });
    await impatient.database.query('BEGIN; LOCK client_bans');
    const problem = (await (await fetch(url)).json()) as ProblemDetails;
    expect(problem).toMatchObject({ code: 'unavailable', detail: 'The answer was not ready in time.' });
    expect(await impatient.database.waitingForTables(), 'statements that still wait').toBe(1);
    expect(impatient.logged.find((line) => line.includes(problem.request_id))).toContain(
      'No facts to decide by in time',
    );
    await impatient.database.query('ROLLBACK');
    await impatient.close();
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProblemDetails } from '../../src/problems/problem-error.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { run } from '../support/program.js';
import { startService, type TestService } from '../support/service.js';
import { proxyTo, type TcpProxy } from '../support/tcp-proxy.js';

let database: TestDatabase;
let network: TcpProxy;
let service: TestService;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  network = await proxyTo(database.url);
  const url = new URL(database.url);
  url.port = String(network.port);
  service = await startService({ DATABASE_URL: url.href });
});

afterAll(async () => {
  await service.close();
  await network.close();
  await database.drop();
});

beforeEach(() => {
  letASecondPass();
});

/** What was found is answered again for a second. */
function letASecondPass(): void {
  service.clock.advance(1_000);
}

async function ready(url = service.url): Promise<string> {
  const response = await fetch(`${url}/health/ready`);
  expect(response.headers.get('cache-control')).toBe('no-store');
  if (response.ok) return JSON.stringify(await response.json());
  expect(response.status).toBe(503);
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const { code, detail } = (await response.json()) as ProblemDetails;
  expect(code).toBe('unavailable');
  return detail;
}

const READY = '{"status":"ready"}';

describe('/health/live', () => {
  it('answers whatever the database does', async () => {
    network.stopForwarding();
    const response = await fetch(`${service.url}/health/live`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'live' });
    network.forwardAgain();
  });
});

describe('/health/ready', () => {
  it('is ready when signatures can be made', async () => {
    expect(await ready()).toBe(READY);
  });

  it('is not ready while PostgreSQL does not answer, says so in the log, and is ready again afterwards', async () => {
    network.stopForwarding();
    expect(await ready()).toBe('PostgreSQL does not answer in time.');
    expect(service.logged.at(-1)).toMatch(/WARN {2}\[Health\] Not ready: PostgreSQL does not answer in time\./);
    network.forwardAgain();
    await expect.poll(() => (letASecondPass(), ready()), { timeout: 30_000 }).toBe(READY);
    expect(service.logged.at(-1)).toMatch(/INFO {2}\[Health\] Ready again\n$/);
  });

  it('asks the database once a second at most, however many probes there are', async () => {
    expect(await ready()).toBe(READY);
    await database.query('ALTER TABLE im_signature_migrations RENAME TO away');
    try {
      expect(await Promise.all(Array.from({ length: 50 }, () => ready()))).toEqual(Array(50).fill(READY));
      letASecondPass();
      expect(await ready()).toBe('PostgreSQL cannot be used.');
    } finally {
      await database.query('ALTER TABLE away RENAME TO im_signature_migrations');
    }
    expect(await ready()).toBe('PostgreSQL cannot be used.');
  });

  it('is ready while at least one key opens, and not when none does', async () => {
    const sealed = await database.query<{ app_id: string; sealed_key: string }>(
      'SELECT app_id, sealed_key FROM app_master_keys',
    );
    await database.query(`UPDATE app_master_keys SET sealed_key = 'v1.default.AAAA' WHERE app_id <> '2'`);
    expect(await ready()).toBe(READY);
    letASecondPass();
    await database.query(`UPDATE app_master_keys SET sealed_key = 'v1.default.AAAA'`);
    expect(await ready()).toBe("SECRETS_KEY decrypts no app's master key.");
    for (const { app_id, sealed_key } of sealed) {
      await database.query('UPDATE app_master_keys SET sealed_key = $2 WHERE app_id = $1', [app_id, sealed_key]);
    }
    letASecondPass();
    expect(await ready()).toBe(READY);
  });

  it('is not ready while the service is about to end, or has too much to do', async () => {
    const { state } = service.server;
    state.draining = true;
    expect(await ready()).toBe('The service is about to end.');
    state.draining = false;
    state.shedding = true;
    expect(await ready()).toBe('The service has more requests than it can answer in time.');
    state.shedding = false;
    expect(await ready()).toBe(READY);
  });

  it('is ready where no app is registered yet', async () => {
    await database.query('UPDATE apps SET disabled = true');
    expect(await ready()).toBe(READY);
    await database.query('UPDATE apps SET disabled = false');
  });
});

it('a service whose migrations are reverted beneath it is not ready; one whose database a newer build has migrated is', async () => {
  const SECRETS_KEY = service.sealingKeys.get('default')?.toString('base64') ?? '';
  const program = run('src/main.js', { DATABASE_URL: database.url, SECRETS_KEY, PORT: '0' });
  const [, url = ''] = await program.prints(/Ready on (http:[\w./:-]+)/);
  const found = (): Promise<string> => ready(url);
  await database.query(`INSERT INTO im_signature_migrations ("timestamp", name) VALUES (9999999999999, 'Later')`);
  expect(await found()).toBe(READY);
  const [last] = await database.query<{ name: string }>(
    'DELETE FROM im_signature_migrations WHERE id = (SELECT max(id) FROM im_signature_migrations WHERE name <> $1) RETURNING *',
    ['Later'],
  );
  await expect.poll(found, { timeout: 30_000 }).toBe('The database lacks 1 migration(s) of this build.');
  await database.query(`INSERT INTO im_signature_migrations ("timestamp", name) VALUES (1, $1)`, [last?.name]);
  await expect.poll(found, { timeout: 30_000 }).toBe(READY);
  program.process.kill('SIGTERM');
  expect(await program.ends()).toBe(0);
});

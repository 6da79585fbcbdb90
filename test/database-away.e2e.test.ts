import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startService, type TestService } from './support/service.js';
import { proxyTo, type TcpProxy } from './support/tcp-proxy.js';
import { makeDatabase, type TestDatabase } from './support/database.js';

let database: TestDatabase;
let network: TcpProxy;
let service: TestService;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  network = await proxyTo(database.url);
  const url = new URL(database.url);
  url.port = String(network.port);
  service = await startService({ DATABASE_URL: url.href, DATABASE_POOL_SIZE: '1' });
  await vi.waitUntil(() => service.feed.trusted);
});

afterAll(async () => {
  await service.close();
  await network.close();
  await database.drop();
});

let clients = 0;

/** Asks for a client of whom nothing is remembered. */
const login = (): Promise<Response> => fetch(`${service.url}/signature/login/1/client-${++clients}`);
const status = async (): Promise<number> => (await login()).status;

it('a connection that went dead costs one refusal, and the next caller gets a new one', async () => {
  expect(await status()).toBe(200);
  network.stopForwarding({ newConnections: false });
  expect(await status()).toBe(503);
  expect(await status()).toBe(200);
});

it('a network that lets nothing through is 503 unavailable, and needs no restart when it is back', async () => {
  await vi.waitUntil(() => service.feed.trusted);
  expect(await status()).toBe(200);
  network.stopForwarding();
  const response = await login();
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('1');
  expect(await response.json()).toMatchObject({ code: 'unavailable' });
  // By now not even what was remembered is answered.
  expect((await fetch(`${service.url}/signature/login/1/client-1`)).status).toBe(503);
  network.forwardAgain();
  expect(await status()).toBe(200);
  await vi.waitUntil(() => service.feed.trusted, { timeout: 10_000 });
});

describe('look-ups that together take a second', () => {
  /** Asks while a lock keeps the look-up of the ban waiting, though it reads what holds when it gets it: the app was looked up before. */
  async function askSlowly(ask: () => Promise<Response>): Promise<unknown> {
    await vi.waitUntil(() => service.feed.trusted, { timeout: 10_000 });
    await database.query('BEGIN; LOCK client_bans');
    const answer = ask();
    await vi.waitUntil(async () => (await waiting()) > 0);
    // To the passing of a second nothing else can be awaited.
    await sleep(1_000);
    await database.query('COMMIT');
    return (await answer).json();
  }

  it('are no ground to sign on', async () => {
    expect(await askSlowly(login)).toMatchObject({ code: 'unavailable' });
    expect(await status()).toBe(200);
  });

  it('are no ground to refuse on', async () => {
    await database.query(`INSERT INTO client_bans VALUES ('1', 'banned')`);
    const ask = (): Promise<Response> => fetch(`${service.url}/signature/login/1/banned`);
    expect(await askSlowly(ask)).toMatchObject({ code: 'unavailable' });
    expect(await (await ask()).json()).toMatchObject({ code: 'client_banned' });
  });
});

/** How many look-ups wait for a lock. */
async function waiting(): Promise<number> {
  return (await database.query(`SELECT FROM pg_locks WHERE NOT granted`)).length;
}

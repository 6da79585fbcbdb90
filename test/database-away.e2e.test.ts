import { afterAll, beforeAll, expect, it } from 'vitest';
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
  service = await startService({ DATABASE_URL: url.href, DATABASE_POOL_SIZE: '3' });
});

afterAll(async () => {
  await service.close();
  await network.close();
  await database.drop();
});

const status = async (): Promise<number> => (await fetch(`${service.url}/signature/login/1/a`)).status;

it('a connection that went dead costs one refusal, and the next caller gets a new one', async () => {
  expect(await status()).toBe(200);
  network.stopForwarding({ newConnections: false });
  expect(await status()).toBe(503);
  expect(await status()).toBe(200);
});

it('a network that lets nothing through is 503 unavailable, and needs no restart when it is back', async () => {
  expect(await status()).toBe(200);
  network.stopForwarding();
  const response = await fetch(`${service.url}/signature/login/1/a`);
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('1');
  expect(await response.json()).toMatchObject({ code: 'unavailable' });
  network.forwardAgain();
  expect(await status()).toBe(200);
});

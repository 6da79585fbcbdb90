import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { administer, databaseUrl } from '../support/postgres.setup.js';
import { eachInItsFolder, READY, stop } from '../support/start.js';
import { proxyTo, type TcpProxy } from '../support/tcp-proxy.js';

const SECRETS_KEY = randomBytes(32).toString('base64');
let database: TestDatabase;
let env: Record<string, string>;
let silent: TcpProxy;
const latin1 = `im_signature_latin1_${randomUUID().replaceAll('-', '')}`;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  silent = await proxyTo(database.url);
  silent.stopForwarding();
  await administer(
    inject('serverUrl'),
    `CREATE DATABASE ${latin1} TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'`,
  );
  env = { DATABASE_URL: database.url, SECRETS_KEY };
});

afterAll(async () => {
  await silent.close();
  await administer(inject('serverUrl'), `DROP DATABASE ${latin1}`);
  await database.drop();
});

const { start } = eachInItsFolder();

it.each<[string, () => Record<string, string>, RegExp]>([
  ['no SECRETS_KEY', () => ({ DATABASE_URL: env.DATABASE_URL ?? '' }), /SECRETS_KEY: is required with DATABASE_URL/],
  ['a malformed DATABASE_URL', () => ({ ...env, DATABASE_URL: 'localhost' }), /DATABASE_URL: must have the form/],
  [
    'a DATABASE_URL where nobody answers',
    () => ({ ...env, DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/im' }),
    /DATABASE_URL: PostgreSQL does not answer there \(ECONNREFUSED\)/,
  ],
  [
    'a DATABASE_URL of a database that is not there',
    () => ({ ...env, DATABASE_URL: databaseUrl(inject('serverUrl'), 'not_there') }),
    /DATABASE_URL: PostgreSQL refuses the connection \(database "not_there" does not exist\)/,
  ],
  [
    'a DATABASE_URL of another kind of server',
    () => ({ ...env, DATABASE_URL: `postgres://u:hunter2@127.0.0.1:${silent.port}/im` }),
    /DATABASE_URL: PostgreSQL does not answer there within 2 s/,
  ],
  [
    'a DATABASE_URL of a database of another encoding',
    () => ({ ...env, DATABASE_URL: databaseUrl(inject('serverUrl'), latin1) }),
    /DATABASE_URL: the database cannot be used \(its encoding is LATIN1; it must be UTF8\)/,
  ],
])('%s is one clear line and exit code 1', async (_mistake, mistaken, line) => {
  const service = start(mistaken());
  expect(await service.ends()).toBe(1);
  expect(service.stderr()).toMatch(line);
  expect(service.output().trim().split('\n')).toHaveLength(1);
  expect(service.output()).not.toContain('hunter2');
});

it.each([
  [
    'that does not resolve',
    'not-there.invalid',
    /^im-signature did not start\. HOST: getaddrinfo E\w+ not-there\.invalid\n$/,
  ],
  [
    'of another machine',
    '192.0.2.1',
    /^im-signature did not start\. HOST: cannot listen \(.*EADDRNOTAVAIL.*\); choose another HOST\n$/,
  ],
])('a HOST %s is one clear line and exit code 1, with metrics, too', async (_what, HOST, line) => {
  const services = [start({ ...env, HOST }), start({ ...env, HOST, METRICS_PORT: '0' })];
  for (const service of services) {
    expect(await service.ends()).toBe(1);
    expect(service.output()).toMatch(line);
  }
});

it('a role that may not see which migrations are applied, or not every row, is told so, and is refused when that changes', async () => {
  const role = `reader_${randomUUID().replaceAll('-', '')}`;
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'pw'`);
  await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  await database.query(`REVOKE SELECT ON im_signature_migrations FROM ${role}`);
  const url = new URL(database.url);
  Object.assign(url, { username: role, password: 'pw' });
  const early = start({ ...env, DATABASE_URL: url.href });
  expect(await early.ends()).toBe(1);
  expect(early.output()).toBe(
    `im-signature did not start. the role "${role}" needs SELECT on im_signature_migrations\n`,
  );
  await database.query(`GRANT SELECT ON im_signature_migrations TO ${role}`);
  await database.query(`REVOKE SELECT ON client_bans, conversation_members FROM ${role}`);
  const blind = start({ ...env, DATABASE_URL: url.href });
  expect(await blind.ends()).toBe(1);
  expect(blind.output()).toContain(`the role "${role}" needs SELECT on client_bans, conversation_members\n`);
  await database.query(`GRANT SELECT ON client_bans, conversation_members TO ${role}`);
  const service = start({ ...env, DATABASE_URL: url.href });
  const [, address = ''] = await service.prints(READY);
  await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('hidden', 'Hidden', 'none')`);
  await database.query(`INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ('hidden', 1, $1)`, [
    seal('a-master-key', masterKeyPurpose('hidden', 1), parseSecretsKey(SECRETS_KEY)),
  ]);
  await database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('hidden', 'mallory')`);
  const login = async () => (await fetch(`${address}/signature/login/hidden/mallory`)).status;
  const ready = async () => (await fetch(`${address}/health/ready`)).status;
  expect([await login(), await ready()]).toEqual([403, 200]);
  for (const table of ['client_bans', 'client_cutoffs', 'conversation_members', 'app_master_keys']) {
    await database.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
    await vi.waitUntil(async () => (await login()) === 503, { timeout: 10_000 });
    await vi.waitUntil(async () => (await ready()) === 503, { timeout: 10_000 });
    await database.query(`ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
    await vi.waitUntil(async () => (await login()) === 403 && (await ready()) === 200, { timeout: 10_000 });
  }
  for (const [table, status] of [
    ['client_cutoffs', 503],
    ['im_signature_migrations', 403],
  ] as const) {
    await database.query(`REVOKE SELECT ON ${table} FROM ${role}`);
    await vi.waitUntil(async () => (await ready()) === 503, { timeout: 10_000 });
    expect(await login()).toBe(status);
    await database.query(`GRANT SELECT ON ${table} TO ${role}`);
    await vi.waitUntil(async () => (await ready()) === 200, { timeout: 10_000 });
  }
  await stop(service);
  const unreadable = 'The service may not read all of its tables. cause=';
  expect(service.output()).toContain(`${unreadable}its role needs SELECT on client_cutoffs`);
  expect(service.output()).toContain(`${unreadable}permission denied for table im_signature_migrations`);
  expect(service.output()).toContain('row-level security hides rows from the service: give its role BYPASSRLS');
  await database.query(`DELETE FROM client_bans; DELETE FROM apps`);
  await database.query(`DROP OWNED BY ${role}`);
  await database.query(`DROP ROLE ${role}`);
});

it('a PORT in use is one clear line and exit code 1', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const PORT = String((other.address() as AddressInfo).port);
  const service = start({ ...env, PORT });
  expect(await service.ends()).toBe(1);
  expect(service.output()).toBe(
    `im-signature did not start. PORT: cannot listen (listen EADDRINUSE: address already in use 127.0.0.1:${PORT}); choose another PORT\n`,
  );
  other.close();
});

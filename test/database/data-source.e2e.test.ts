import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readMembers } from '../../src/conversations/members/export.js';
import {
  adminOptions,
  connect,
  connectService,
  LIFT_LIMITS,
  serviceOptions,
  withOwnConnection,
} from '../../src/database/data-source.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await makeDatabase('migrated');
});

afterAll(async () => {
  await database.drop();
});

it('a pooler that takes no options, such as RDS Proxy, is used without them', async () => {
  const { hostname, port } = new URL(database.url);
  const fields =
    "SFATAL\0VFATAL\0C0A000\0MFeature not supported: RDS Proxy currently doesn't support command-line options\0\0";
  const refusal = Buffer.concat([Buffer.from('E'), Buffer.alloc(4), Buffer.from(fields)]);
  refusal.writeInt32BE(refusal.length - 1, 1);
  let refused = 0;
  const pooler = createServer((client) => {
    client.on('error', () => undefined);
    client.once('data', (start) => {
      if (start.includes('options\0')) {
        refused++;
        client.end(refusal);
        return;
      }
      const server = connectTcp(Number(port || 5432), hostname).on('error', () => undefined);
      server.write(start);
      client.pipe(server).pipe(client);
    });
  }).listen(0, '127.0.0.1');
  await once(pooler, 'listening');
  const { port: poolerPort } = pooler.address() as AddressInfo;
  // Without the embedded server's parameters, which hold options.
  const url = Object.assign(new URL(database.url), { port: poolerPort, search: '' }).href;

  for (const connected of [connect(adminOptions(url)), connectService(serviceOptions(url, 1))]) {
    const dataSource = await connected;
    expect(await dataSource.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await dataSource.destroy();
  }
  expect(refused).toBeGreaterThan(0);
  pooler.close();
});

it('no time limit of a role binds a command', async () => {
  const limits = await database.query<{ name: string }>(
    `SELECT name FROM pg_settings WHERE name ~ '^(statement|lock|transaction|idle_in_transaction_session)_timeout$'`,
  );
  const name = new URL(database.url).pathname.slice(1);
  for (const limit of limits) await database.query(`ALTER DATABASE ${name} SET ${limit.name} = '1min'`);
  const dataSource = await connect(adminOptions(database.url));
  const inForce = `SELECT name FROM pg_settings WHERE name = ANY($1) AND setting <> '0'`;
  const names = limits.map((limit) => limit.name);
  expect(await dataSource.query(inForce, [names])).toEqual([]);
  await dataSource.destroy();

  const bound = await connect(adminOptions(database.url), []);
  expect(await bound.query(inForce, [names])).toHaveLength(names.length);
  await bound.transaction(async (manager) => {
    await manager.query(LIFT_LIMITS);
    expect(await manager.query(inForce, [names])).toEqual([]);
  });
  await bound.destroy();
});

it('times are read whatever style of dates a role has', async () => {
  const name = new URL(database.url).pathname.slice(1);
  await database.query(`ALTER DATABASE ${name} SET datestyle = 'German, DMY'`);
  for (const dataSource of [
    await connect(adminOptions(database.url)),
    await connectService(serviceOptions(database.url, 1)),
  ]) {
    expect(await dataSource.query("SELECT timestamptz '2027-01-31T22:00:00Z' AS time")).toEqual([
      { time: new Date('2027-01-31T22:00:00Z') },
    ]);
    await dataSource.destroy();
  }
  await database.query(`ALTER DATABASE ${name} RESET datestyle`);
});

it('a command fails where row-level security would hide rows from it', async () => {
  const role = `filtered_${randomUUID().replaceAll('-', '')}`;
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'pw'`);
  await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  await database.query('ALTER TABLE conversation_members ENABLE ROW LEVEL SECURITY');
  const url = Object.assign(new URL(database.url), { username: role, password: 'pw' }).href;
  const hidden = 'query would be affected by row-level security policy for table "conversation_members"';
  const dataSource = await connect(adminOptions(url));
  await expect(dataSource.query('SELECT FROM conversation_members')).rejects.toThrow(hidden);
  await dataSource.destroy();
  await withOwnConnection(url, async (client) => {
    const lines = await readMembers(client, 'shop', undefined, 'csv');
    await expect(text(lines)).rejects.toThrow(hidden);
  });
  await database.query('ALTER TABLE conversation_members DISABLE ROW LEVEL SECURITY');
  await database.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { administer, databaseUrl } from './support/postgres.setup.js';
import { startService, type TestService } from './support/service.js';

let service: TestService;

beforeAll(async () => {
  service = await startService();
});

afterAll(async () => {
  await service.close();
});

const REGISTER = `INSERT INTO apps (app_id, name, identity) VALUES ($1, 'An app', 'none')`;
const ADD_KEY = `INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ('1', $1, $2)`;
const SEALED = 'v1.default.AAAA';

describe('the database refuses, whoever writes to it,', () => {
  it.each<[string, string, unknown[]]>([
    ['an app id that is empty', REGISTER, ['']],
    ['an app id of 65 characters', REGISTER, ['a'.repeat(65)]],
    ['an app id with a colon', REGISTER, ['a:b']],
    ['an app id with a control character', REGISTER, ['a\u0085b']],
    ['an app id with a newline at its end', REGISTER, ['a\n']],
    ['an app that is there already', REGISTER, ['1']],
    ['an app without an identity', `INSERT INTO apps (app_id, name) VALUES ('x', 'x')`, []],
    ['an unknown identity', `UPDATE apps SET identity = 'password'`, []],
    ['an unknown timestamp format', `UPDATE apps SET timestamp_format = 'iso'`, []],
    ['an unknown membership', `UPDATE apps SET membership = 'on'`, []],
    ['no members at all', `UPDATE apps SET max_members = 0`, []],
    ['a key that is not sealed', ADD_KEY, [2, 'demo-master-key']],
    ['a key of version 0', ADD_KEY, [0, SEALED]],
    ['a version that is there already', ADD_KEY, [1, SEALED]],
    [
      'a key of an app that is not there',
      `INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ('x', 1, 'v1.default.AAAA')`,
      [],
    ],
  ])('%s', async (_what, sql, values) => {
    await expect(service.database.query(sql, values)).rejects.toThrow(/violates|duplicate/);
  });
});

it('an app id of 64 characters outside the Basic Multilingual Plane is registered as 64 characters', async () => {
  await service.database.query(REGISTER, ['😀'.repeat(64)]);
});

it('updated_at follows a change', async () => {
  await service.database.query(`UPDATE apps SET name = 'Renamed' WHERE app_id = '2'`);
  const [row] = await service.database.query<{ later: boolean }[]>(
    `SELECT updated_at > created_at AS later FROM apps WHERE app_id = '2'`,
  );
  expect(row?.later).toBe(true);
});

it('every table and column says what it is for', async () => {
  const silent = await service.database.query<unknown[]>(`
    SELECT c.relname, a.attname
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'migrations'
      AND a.attnum > 0 AND NOT a.attisdropped
      AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)`);
  expect(silent).toEqual([]);
});

it('no plain master key is anywhere in the database', async () => {
  await service.registerApp('secretive', 'a-key-in-plain-sight');
  const { rows } = await dump(service);
  expect(rows.length).toBeGreaterThan(4);
  expect(rows.join('\n')).not.toMatch(/a-key-in-plain-sight|demo-master-key/);
});

/** Every row of every table, as text. */
async function dump({ database }: TestService): Promise<{ rows: string[] }> {
  const tables = await database.query<{ name: string }[]>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
  );
  const rows: string[] = [];
  for (const { name } of tables) {
    const found = await database.query<{ row: string }[]>(`SELECT t::text AS row FROM "${name}" t`);
    rows.push(...found.map(({ row }) => row));
  }
  return { rows };
}

describe('the migrations', () => {
  const name = `im_signature_migrations_${randomUUID().replaceAll('-', '')}`;

  beforeAll(async () => {
    await administer(inject('serverUrl'), `CREATE DATABASE ${name} TEMPLATE ${inject('template')}`);
  });

  afterAll(async () => {
    await administer(inject('serverUrl'), `DROP DATABASE ${name} WITH (FORCE)`);
  });

  it('go down to nothing and up to the same schema again', async () => {
    const url = databaseUrl(inject('serverUrl'), name);
    const full = await describeSchema(url);
    await revertAll(url);
    expect(await describeSchema(url)).toEqual([]);
    const { migrate } = await import(new URL('../dist/src/database/migrate.js', import.meta.url).href).then(
      (module) => module as typeof import('../src/database/migrate.js'),
    );
    await migrate(url);
    expect(await describeSchema(url)).toEqual(full);
  });
});

async function revertAll(url: string): Promise<void> {
  const { DataSource } = await import('typeorm');
  const dataSource = await new DataSource({
    type: 'postgres',
    url,
    migrations: [`${import.meta.dirname}/../dist/migrations/*.js`],
  }).initialize();
  const { length } = dataSource.migrations;
  for (let i = 0; i < length; i++) await dataSource.undoLastMigration();
  await dataSource.destroy();
}

/** Columns, constraints, triggers and functions, one line each. */
async function describeSchema(url: string): Promise<string[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ line: string }>(`
    SELECT format('%s.%s %s %s %s %s', table_name, column_name, data_type, is_nullable, column_default,
      col_description(format('%I', table_name)::regclass, ordinal_position)) AS line
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'migrations'
    UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
      WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'migrations'
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1`);
  await client.end();
  return rows.map(({ line }) => line);
}

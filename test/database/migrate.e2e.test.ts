import { randomBytes, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, inject, it } from 'vitest';
import { adminOptions, connect } from '../../src/database/data-source.js';
import { withMigrationLock } from '../../src/database/migrate.js';
import { makeAdmin } from '../support/admin.js';
import { built } from '../support/built.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';

it('a migration that fails while the connection of its lock is lost reports its own error and releases the lock', async () => {
  const database = await makeDatabase('empty');
  const dataSource = await connect(adminOptions(database.url));
  const admin = new Client({ connectionString: database.url });
  await admin.connect();
  const work = withMigrationLock(dataSource, async () => {
    const { rowCount } = await admin.query(`
      SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
      WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
    expect(rowCount).toBe(1);
    throw new Error('the migration failed');
  });
  await expect(work).rejects.toThrow('the migration failed');
  await expect(withMigrationLock(dataSource, () => Promise.resolve('applied'))).resolves.toBe('applied');
  await admin.end();
  await dataSource.destroy();
  await database.drop();
});

it('a migration that cannot begin says why: a role without rights, a schema that is not there, a server that only reads', async () => {
  const { migrate, migrationStatus } =
    await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
  const database = await makeDatabase('empty');
  const { role, url, dropRole } = await makeRole(database, 'writer');
  await database.query(`REVOKE CREATE ON SCHEMA public FROM PUBLIC`);
  const folder = inject('registrations');

  await expect(migrate(url, folder)).rejects.toThrow(
    `the role "${role}" may not make tables in the schema "public"; make it the owner of the database, ` +
      `or GRANT CREATE ON SCHEMA "public" TO "${role}"`,
  );
  expect((await migrationStatus(url, folder)).every(({ state }) => state === 'pending')).toBe(true);
  await database.query(`GRANT CREATE ON SCHEMA public TO ${role}`);
  await database.query(`ALTER ROLE ${role} SET default_transaction_read_only = on`);
  await expect(migrate(url, folder)).rejects.toThrow('cannot execute CREATE TABLE in a read-only transaction');
  await database.query(`ALTER ROLE ${role} RESET default_transaction_read_only`);
  await database.query(`ALTER ROLE ${role} SET search_path = nowhere`);
  await expect(migrate(url, folder)).rejects.toThrow(
    `the role "${role}" may use no schema of its search_path; make one, GRANT USAGE on it, or name another`,
  );
  await database.query('CREATE TABLE im_signature_migrations ()');
  await database.query(`ALTER ROLE ${role} RESET search_path`);
  await expect(migrationStatus(url, folder)).rejects.toThrow(`needs SELECT on im_signature_migrations`);

  await dropRole();
  await database.drop();
});

it('a role that does not see the schema, or not every row, is told so, and not to migrate', async () => {
  const { requireMigrated } = await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
  const database = await makeDatabase('migrated');
  const { role, url, dropRole } = await makeRole(database, 'reader');
  const check = () => requireMigrated(url, inject('registrations'));

  await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  await expect(check()).resolves.toBeUndefined();
  await database.query('ALTER TABLE client_bans ENABLE ROW LEVEL SECURITY');
  await expect(check()).rejects.toThrow(
    `row-level security hides rows of client_bans from the role "${role}": give it BYPASSRLS`,
  );
  await database.query('ALTER SCHEMA public RENAME TO im');
  await database.query(`GRANT USAGE ON SCHEMA im TO ${role}`);
  await expect(check()).rejects.toThrow(
    `the tables are in the schema im, which is not the first that the role "${role}" finds: ` +
      `ALTER ROLE "${role}" SET search_path = im`,
  );
  await database.query(`ALTER ROLE ${role} SET search_path = im`);
  await database.query(`REVOKE USAGE ON SCHEMA im FROM ${role}, PUBLIC`);
  await expect(check()).rejects.toThrow(`the role "${role}" needs USAGE on the schema im`);

  await dropRole();
  await database.drop();
});

it('beside the tables in public, a schema of the name of the role gets no second, empty set of them', async () => {
  const { migrate, requireMigrated } =
    await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
  const database = await makeDatabase('migrated');
  const { role, url, dropRole } = await makeRole(database, 'owner');
  await database.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
  await database.query(`CREATE SCHEMA ${role} AUTHORIZATION ${role}`);

  const remedy = `ALTER ROLE "${role}" SET search_path = public`;
  await expect(migrate(url, inject('registrations'))).rejects.toThrow(remedy);
  await expect(requireMigrated(url, inject('registrations'))).rejects.toThrow(remedy);
  await database.query(remedy);
  expect(await migrate(url, inject('registrations'))).toEqual([]);
  await expect(requireMigrated(url, inject('registrations'))).resolves.toBeUndefined();

  await dropRole();
  await database.drop();
});

it('a role without USAGE on the schema of the tables gets no second set of them in public, nor the state of none', async () => {
  const { lastMigration, migrate, migrationStatus } =
    await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
  const database = await makeDatabase('migrated');
  const { role, url, dropRole } = await makeRole(database, 'runner');
  await database.query('ALTER SCHEMA public RENAME TO im');
  await database.query('REVOKE USAGE ON SCHEMA im FROM PUBLIC');
  await database.query(`CREATE SCHEMA public AUTHORIZATION ${role}`);
  for (const path of ['"$user", public', 'im, public']) {
    await database.query(`ALTER ROLE ${role} SET search_path = ${path}`);
    for (const command of [lastMigration, migrate, migrationStatus]) {
      await expect(command(url, inject('registrations'))).rejects.toThrow(
        `the role "${role}" needs USAGE on the schema im`,
      );
    }
  }
  await dropRole();
  await database.drop();
});

it('beside another instance, one gets its own tables where its search_path names only its own schema', async () => {
  const { migrate, requireMigrated } =
    await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
  const database = await makeDatabase('migrated');
  await database.query('CREATE SCHEMA staging');
  const staging = Object.assign(new URL(database.url), { search: '?options=-c%20search_path%3Dstaging' }).href;
  await expect(requireMigrated(staging, inject('registrations'))).rejects.toThrow(
    /the tables are in the schema public, which .+; or run "im-signature migrate" for tables of its own in "staging"$/,
  );
  expect(await migrate(staging, inject('registrations'))).toContain('CreateApps1795392000000');
  await expect(requireMigrated(staging, inject('registrations'))).resolves.toBeUndefined();
  expect(await migrate(database.url, inject('registrations'))).toEqual([]);
  await database.drop();
});

it('a table that is gone although all migrations are applied stops the start, which names it', async () => {
  const { requireMigrated } = await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
  const database = await makeDatabase('migrated');
  await database.query('ALTER TABLE client_bans RENAME TO bans');
  await expect(requireMigrated(database.url, inject('registrations'))).rejects.toThrow(
    'all migrations are applied, but there is no client_bans: restore a backup',
  );
  await database.drop();
});

it('where another application has a table, a type or a sequence of the same name, nothing is made', async () => {
  const { migrate } = await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
  const database = await makeDatabase('empty');
  await database.query('CREATE TABLE conversations (id integer)');
  await database.query(`CREATE TYPE apps AS ENUM ('web')`);
  await database.query('CREATE SEQUENCE client_bans');
  await expect(migrate(database.url, inject('registrations'))).rejects.toThrow(
    'the schema "public" has apps, client_bans, conversations, not of this service; use another database or schema',
  );
  const tables = await database.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`);
  expect(tables).toEqual([{ tablename: 'conversations' }]);
  await database.query('CREATE SCHEMA signature');
  const url = Object.assign(new URL(database.url), { search: '?options=-c%20search_path%3Dsignature' }).href;
  expect(await migrate(url, inject('registrations'))).toContain('CreateConversationRules1795392000001');
  await database.drop();
});

it('migrate by a role that only reads asks for the owner, and not for another migration', async () => {
  const database = await makeDatabase('migrated');
  const { role, url, dropRole } = await makeRole(database, 'reader');
  await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  const admin = await makeAdmin({ DATABASE_URL: url, SECRETS_KEY: `k:${randomBytes(32).toString('base64')}` });
  await writeFile(join(admin.migrations, '1999999999999-note.mjs'), NOTE);
  expect(await admin.fails(['migrate'])).toMatch(
    /Note1999999999999 fails \(must be owner of table client_bans\); it is rolled back, 0 before it applied: run it as the role that owns the tables$/,
  );
  await admin.remove();
  await dropRole();
  await database.drop();
});

/** A registration that was written by hand. */
const NOTE = `export class Note1999999999999 {
  async up(queryRunner) { await queryRunner.query('ALTER TABLE client_bans ADD COLUMN note text'); }
  async down(queryRunner) { await queryRunner.query('ALTER TABLE client_bans DROP COLUMN note'); }
}`;

it('behind a backup that holds a lock, migrate waits and says so, while requests find their rows, and goes on after it', async () => {
  const database = await makeDatabase('migrated');
  const admin = await makeAdmin({ DATABASE_URL: database.url });
  const [backup, service] = [1, 2].map(() => new Client({ connectionString: database.url })) as [Client, Client];
  await Promise.all([backup.connect(), service.connect()]);
  await writeFile(join(admin.migrations, '1999999999999-note.mjs'), NOTE);
  const migrating = async (args: readonly string[], says: string) => {
    // As pg_dump does, for as long as it takes.
    await backup.query('BEGIN; LOCK TABLE client_bans IN ACCESS SHARE MODE');
    const migration = admin.start(args, {
      DATABASE_URL: database.url,
      SECRETS_KEY: `k:${randomBytes(32).toString('base64')}`,
    });
    // The time limit of the service's look-ups.
    await service.query('SET statement_timeout = 800');
    do await service.query('SELECT FROM client_bans');
    while (!migration.output().includes('holds a lock that is needed'));
    await service.query('SELECT FROM client_bans');
    await backup.query('COMMIT');
    expect(await migration.ends()).toBe(0);
    expect(migration.output()).toContain(says);
  };

  await migrating(['migrate'], 'applied Note1999999999999');
  await migrating(['migrate', '--revert', 'Note1999999999999'], 'reverted Note1999999999999');

  await Promise.all([backup.end(), service.end()]);
  await admin.remove();
  await database.drop();
});

/** A role of its own that may log in. */
async function makeRole(database: TestDatabase, kind: string) {
  const role = `${kind}_${randomUUID().replaceAll('-', '')}`;
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'pw'`);
  const url = Object.assign(new URL(database.url), { username: role, password: 'pw' }).href;
  const dropRole = () => database.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  return { role, url, dropRole };
}

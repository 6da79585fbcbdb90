import { Client } from 'pg';
import { expect, it } from 'vitest';
import { adminOptions, connect } from '../../src/database/data-source.js';
import { withMigrationLock } from '../../src/database/migrate.js';
import { makeDatabase } from '../support/database.js';

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

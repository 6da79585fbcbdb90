import { DataSource, type Migration, MigrationExecutor } from 'typeorm';

/** Any number will do, as long as all migrating processes of this service take the same; this one is "im-signa" in ASCII. */
const ADVISORY_LOCK = '7596778120156769889';

/**
 * Applies the pending migrations, one transaction each. Processes that start together wait for the first,
 * which holds an advisory lock, and then find nothing pending.
 *
 * @returns those that were applied, in their order.
 */
export async function migrate(url: string): Promise<Migration[]> {
  return withMigrations(url, async (dataSource) => {
    // A session-level lock lives on one connection, which the migrations themselves do not use.
    const lock = dataSource.createQueryRunner();
    try {
      await lock.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
      return await dataSource.runMigrations({ transaction: 'each' });
    } finally {
      await lock.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK]);
      await lock.release();
    }
  });
}

/** The names of the migrations that the database does not have yet, in their order. */
export async function pendingMigrations(url: string): Promise<string[]> {
  return withMigrations(url, async (dataSource) => {
    const pending = await new MigrationExecutor(dataSource).getPendingMigrations();
    return pending.map(({ name }) => name);
  });
}

async function withMigrations<T>(url: string, work: (dataSource: DataSource) => Promise<T>): Promise<T> {
  const dataSource = await new DataSource({
    type: 'postgres',
    url,
    applicationName: 'im-signature-migrate',
    synchronize: false,
    migrations: [`${import.meta.dirname}/../../migrations/*.js`],
  }).initialize();
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

/** The database lacks migrations that this build of the service needs. */
export class PendingMigrationsError extends Error {
  constructor(pending: readonly string[]) {
    super(
      `the database lacks ${pending.length} migration(s), first ${pending[0] ?? ''}: run "npm run migrate"`,
    );
  }
}

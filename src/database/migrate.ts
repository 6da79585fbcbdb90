import { type DataSource, MigrationExecutor } from 'typeorm';
import { connect, MIGRATIONS_TABLE, migrationOptions } from './data-source.js';
import { loadRegistrations } from './registrations.js';

/** Any number will do, as long as all migrating processes of this service take the same; this one is "im-signa" in ASCII. */
const ADVISORY_LOCK = '7596778120156769889';

export interface MigrationStatus {
  readonly name: string;
  readonly applied: boolean;
}

/** The database lacks migrations that this build of the service needs. */
export class PendingMigrationsError extends Error {
  constructor(pending: readonly string[]) {
    super(`the database lacks ${pending.length} migration(s), first ${pending[0] ?? ''}: run "npm run migrate"`);
  }
}

/**
 * Applies the pending migrations, one transaction each. Processes that start together wait for the first,
 * and then find nothing pending.
 *
 * @param folder of the registrations, which are applied with the schema's migrations.
 * @returns the names of those that were applied, in their order.
 */
export async function migrate(url: string, folder: string): Promise<string[]> {
  return withMigrations(url, folder, async (dataSource) =>
    withMigrationLock(dataSource, async () => {
      const applied = await dataSource.runMigrations({ transaction: 'each' });
      return applied.map(({ name }) => name);
    }),
  );
}

/** Reverts the migration that was applied last, and returns its name; undefined when there is none. */
export async function revertLast(url: string, folder: string): Promise<string | undefined> {
  return withMigrations(url, folder, async (dataSource) =>
    withMigrationLock(dataSource, async () => {
      const executed = await new MigrationExecutor(dataSource).getExecutedMigrations();
      const last = executed.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0)).at(-1);
      if (last !== undefined) await dataSource.undoLastMigration({ transaction: 'each' });
      return last?.name;
    }),
  );
}

/** Every migration of this build, in order, and whether the database has it. Changes nothing. */
export async function migrationStatus(url: string, folder: string): Promise<MigrationStatus[]> {
  return withMigrations(url, folder, async (dataSource) => {
    const pending = new Set((await new MigrationExecutor(dataSource).getPendingMigrations()).map(({ name }) => name));
    // TypeORM orders them by the 13 digits at the end of their names.
    return dataSource.migrations
      .map((migration) => migration.name ?? migration.constructor.name)
      .toSorted((a, b) => Number(a.slice(-13)) - Number(b.slice(-13)))
      .map((name) => ({ name, applied: !pending.has(name) }));
  });
}

/** The names of the migrations that the database does not have yet, in their order. */
export async function pendingMigrations(url: string, folder: string): Promise<string[]> {
  return (await migrationStatus(url, folder)).filter(({ applied }) => !applied).map(({ name }) => name);
}

/** The names of the migrations that the database has, this build's or not. */
export async function appliedMigrations(dataSource: DataSource): Promise<string[]> {
  const rows = await dataSource.query<{ name: string }[]>(`SELECT name FROM ${MIGRATIONS_TABLE}`);
  return rows.map(({ name }) => name);
}

/** Holds, while it works, the lock that migrations and the making of them take; others wait. */
export async function withMigrationLock<T>(dataSource: DataSource, work: () => Promise<T>): Promise<T> {
  // A session-level lock lives on one connection, which the work itself does not use.
  const lock = dataSource.createQueryRunner();
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    return await work();
  } finally {
    // A lost connection has given the lock back, and the error of the work says more than the one of unlocking.
    await lock.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK]).catch(() => undefined);
    await lock.release();
  }
}

async function withMigrations<T>(
  url: string,
  folder: string,
  work: (dataSource: DataSource) => Promise<T>,
): Promise<T> {
  const dataSource = await connect(migrationOptions(url, await loadRegistrations(folder)));
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

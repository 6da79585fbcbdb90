import { type DataSource, MigrationExecutor } from 'typeorm';
import { adminOptions, connect } from './data-source.js';
import { loadRegistrations } from './registrations.js';

/** "im-signa" in ASCII: any number does, as long as all processes that migrate take the same. */
const ADVISORY_LOCK = '7596778120156769889';
/** TypeORM's table of applied migrations; named so that another service may share the schema. */
export const MIGRATIONS_TABLE = 'im_signature_migrations';
const READ_TABLES = 'apps app_master_keys app_identity client_bans conversations conversation_members'.split(' ');

/**
 * Applies the pending migrations of the schema and of the registrations in `folder`, each in a transaction. Of processes that
 * start together, one applies them. @returns the names of the applied ones, in order.
 */
export async function migrate(url: string, folder: string): Promise<string[]> {
  const applied = await withMigrations(url, folder, (dataSource) =>
    withMigrationLock(dataSource, () => dataSource.runMigrations({ transaction: 'each' })),
  );
  return applied.map(({ name }) => name);
}

/** Reverts the migration that was applied last. @returns its name; undefined when none is applied. */
export async function revertLast(url: string, folder: string): Promise<string | undefined> {
  return withMigrations(url, folder, (dataSource) =>
    withMigrationLock(dataSource, async () => {
      // In TypeORM's order: the last one is first.
      const [last] = await new MigrationExecutor(dataSource).getExecutedMigrations();
      if (last !== undefined) await dataSource.undoLastMigration({ transaction: 'each' });
      return last?.name;
    }),
  );
}

/** Every migration of this build, in order, and whether it is applied. Changes nothing. */
export async function migrationStatus(url: string, folder: string): Promise<{ name: string; applied: boolean }[]> {
  return withMigrations(url, folder, async (dataSource) => {
    const pending = new Set((await new MigrationExecutor(dataSource).getPendingMigrations()).map(({ name }) => name));
    // TypeORM orders them by the 13 digits at the end of their names.
    return dataSource.migrations
      .map((migration) => migration.name ?? migration.constructor.name)
      .toSorted((a, b) => Number(a.slice(-13)) - Number(b.slice(-13)))
      .map((name) => ({ name, applied: !pending.has(name) }));
  });
}

/** The names of the migrations that the database lacks, in order. */
export async function pendingMigrations(url: string, folder: string): Promise<string[]> {
  return (await migrationStatus(url, folder)).filter(({ applied }) => !applied).map(({ name }) => name);
}

/**
 * @throws {Error} where the database lacks migrations of this build, or the role does not see every row of the service's tables:
 * bans that row-level security hides would not count.
 */
export async function requireMigrated(url: string, folder: string): Promise<void> {
  const [access] = await withMigrations(url, folder, (dataSource) =>
    dataSource.query<Record<'role' | 'unusable' | 'elsewhere' | 'unreadable' | 'filtered', string | null>[]>(ACCESS, [
      [MIGRATIONS_TABLE, ...READ_TABLES],
    ]),
  );
  const role = `the role "${access?.role ?? ''}"`;
  // Before what is pending: TypeORM does not find a table that the role may not use.
  if (access?.unusable) throw new Error(`${role} needs USAGE on the schema "${access.unusable}"`);
  if (access?.unreadable) throw new Error(`${role} needs SELECT on ${access.unreadable}`);
  if (access?.filtered) {
    throw new Error(`row-level security hides rows of ${access.filtered} from ${role}: give it BYPASSRLS`);
  }
  const pending = await pendingMigrations(url, folder);
  if (pending[0] === undefined) return;
  const elsewhere = access?.elsewhere
    ? `, or put the schema "${access.elsewhere}" into the search_path of ${role}`
    : '';
  throw new Error(
    `the database lacks ${pending.length} migration(s), first ${pending[0]}: run "npm run migrate"${elsewhere}`,
  );
}

/** What keeps the role from the tables; `unusable` and `elsewhere` are schemas that have them, outside its search_path. */
const ACCESS = `
  WITH hidden AS (
    SELECT relnamespace AS schema, has_schema_privilege(relnamespace, 'USAGE') AS usable FROM pg_class
    WHERE relname = '${MIGRATIONS_TABLE}' AND to_regclass('${MIGRATIONS_TABLE}') IS NULL
  )
  SELECT current_user AS role,
    (SELECT min(schema::regnamespace::text) FROM hidden WHERE NOT usable) AS unusable,
    (SELECT min(schema::regnamespace::text) FROM hidden WHERE usable) AS elsewhere,
    string_agg(name, ', ') FILTER (WHERE NOT has_table_privilege(to_regclass(name), 'SELECT')) AS unreadable,
    string_agg(name, ', ') FILTER (WHERE row_security_active(to_regclass(name))) AS filtered
  FROM unnest($1::text[]) AS name`;

/** The names of all applied migrations, also of those that this build lacks. */
export async function appliedMigrations(dataSource: DataSource): Promise<string[]> {
  const rows = await dataSource.query<{ name: string }[]>(`SELECT name FROM ${MIGRATIONS_TABLE}`);
  return rows.map(({ name }) => name);
}

/** Runs `work` under the lock that excludes other processes which apply migrations or write registrations. */
export async function withMigrationLock<T>(dataSource: DataSource, work: () => Promise<T>): Promise<T> {
  // Of a transaction: a pooler gives the next statement of a session to another server. The work uses other connections.
  const lock = dataSource.createQueryRunner();
  try {
    await lock.startTransaction();
    await lock.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
    return await work();
  } finally {
    // Losing the connection releases the lock, too; its error must not hide that of the work.
    await lock.rollbackTransaction().catch(() => undefined);
    await lock.release();
  }
}

async function withMigrations<T>(url: string, folder: string, work: (source: DataSource) => Promise<T>): Promise<T> {
  const dataSource = await connect({
    ...adminOptions(url),
    migrationsTableName: MIGRATIONS_TABLE,
    migrations: [`${import.meta.dirname}/../../migrations/*.js`, ...(await loadRegistrations(folder))],
  });
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

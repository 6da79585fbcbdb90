import { setTimeout as delay } from 'node:timers/promises';
import { type DataSource, MigrationExecutor, type MigrationInterface } from 'typeorm';
import { MIGRATIONS_TABLE, READ_TABLES, requireAccess } from './access.js';
import { ADMIN_SESSIONS, adminOptions, connect } from './data-source.js';
import { loadRegistrations } from './registrations.js';

/**
 * Milliseconds that a migration waits for a lock. The look-ups of its table wait behind it, and PostgreSQL cancels them after 800; so
 * behind a backup or an import, it gives way and tries again.
 */
const LOCK_TIMEOUT = 300;
const LOCK_PAUSE = 2_000;
const LOCK_NOT_AVAILABLE = '55P03';

/** "im-signa" in ASCII: any number does, as long as all processes that migrate take the same. */
const ADVISORY_LOCK = '7596778120156769889';
export interface MigrationState {
  readonly name: string;
  readonly state: 'applied' | 'pending' | typeof NOT_IN_BUILD;
}
/** Its file was removed, or is in another folder, or in another version of the product. */
const NOT_IN_BUILD = 'applied, not in this build';

/**
 * Applies the pending migrations of the schema and of the registrations in `folder`, each in a transaction. Of processes that
 * start together, one applies them.
 *
 * @param waits is told, once, that a lock is waited for.
 * @returns the names of the applied ones, in order.
 * @throws {Error} that names the one which fails.
 */
export async function migrate(url: string, folder: string, waits = (): void => undefined): Promise<string[]> {
  return withMigrations(url, folder, (dataSource) =>
    withMigrationLock(dataSource, async () => {
      await requireAccess(dataSource, true);
      const before = await pendingIn(dataSource);
      try {
        await execute(dataSource, (executor) => executor.executePendingMigrations(), waits);
        return before;
      } catch (error) {
        const after = await pendingIn(dataSource);
        const count = before.length - after.length;
        const remedy = isForbidden(error) ? 'run it as the role that owns the tables' : 'mend or remove it';
        throw failure(after[0] ?? '', error, `it is rolled back, ${count} before it applied: ${remedy}`);
      }
    }),
  );
}

/** Runs `work`, each migration in a transaction, again and again while another transaction holds a lock that it needs. */
async function execute(
  dataSource: DataSource,
  work: (executor: MigrationExecutor) => Promise<unknown>,
  waits: () => void,
): Promise<void> {
  // Given one, it is released also where TypeORM fails before the first migration, and leaves the pool a connection.
  const runner = dataSource.createQueryRunner();
  try {
    for (let attempt = 1; ; attempt++) {
      const executor = new MigrationExecutor(dataSource, runner);
      executor.transaction = 'each';
      try {
        await work(executor);
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
        if (attempt === 1) waits();
        await delay(LOCK_PAUSE);
      }
    }
  } finally {
    await runner.release();
  }
}

async function pendingIn(dataSource: DataSource): Promise<string[]> {
  return (await new MigrationExecutor(dataSource).getPendingMigrations()).map(({ name }) => name);
}

/** Whether PostgreSQL says that the role may not (42501). */
function isForbidden(error: unknown): boolean {
  return (error as { code?: string }).code === '42501';
}

/** Codes of PostgreSQL whose detail names a key, which is what is wrong: of rows that refer to it, or of a row that is there already. */
const KEYS = new Set(['23001', '23503', '23505']);

function failure(name: string, error: unknown, outcome: string): Error {
  const { code = '', detail = '', message } = error as Error & { code?: string; detail?: string };
  return new Error(`${name} fails (${KEYS.has(code) ? detail : message}); ${outcome}`, { cause: error });
}

/** The migration that was applied last. */
export interface LastMigration {
  readonly name: string;
  readonly inBuild: boolean;
  /** Whether reverting it takes more than what is registered: all of the schema's do. */
  readonly dropsData: boolean;
}

export async function lastMigration(url: string, folder: string): Promise<LastMigration | undefined> {
  return withMigrations(url, folder, async (dataSource, registrations) => {
    await requireAccess(dataSource);
    const name = await lastIn(dataSource);
    if (name === undefined) return undefined;
    const registration = registrations.find((known) => known.name === name);
    const dropsData = registration === undefined || DROPS.test(String(registration));
    return { name, inBuild: dataSource.migrations.some((known) => nameOf(known) === name), dropsData };
  });
}

/** In the source of a registration that was written by hand. */
const DROPS = /\b(DROP\s+(TABLE|COLUMN|SCHEMA)|TRUNCATE)\b/i;

async function lastIn(dataSource: DataSource): Promise<string | undefined> {
  // In TypeORM's order: the last one is first.
  const [last] = await new MigrationExecutor(dataSource).getExecutedMigrations();
  return last?.name;
}

/**
 * Reverts the migration that was applied last.
 *
 * @param expected its name; where meanwhile another is the last, nothing is reverted.
 * @param waits is told, once, that a lock is waited for.
 * @returns its name; undefined when none is applied.
 */
export async function revertLast(
  url: string,
  folder: string,
  expected?: string,
  waits = (): void => undefined,
): Promise<string | undefined> {
  return withMigrations(url, folder, (dataSource) =>
    withMigrationLock(dataSource, async () => {
      const last = await lastIn(dataSource);
      if (expected !== undefined && last !== expected) {
        throw new Error(`meanwhile ${last ?? 'none'} is the last one applied`);
      }
      if (last === undefined) return undefined;
      try {
        await execute(dataSource, (executor) => executor.undoLastMigration(), waits);
      } catch (error) {
        throw failure(last, error, 'nothing is reverted');
      }
      return last;
    }),
  );
}

/** Every migration of this build, and every one that is applied, in order. Changes nothing. */
export async function migrationStatus(url: string, folder: string): Promise<MigrationState[]> {
  return withMigrations(url, folder, async (dataSource) => {
    await requireAccess(dataSource);
    const applied = new Set((await new MigrationExecutor(dataSource).getExecutedMigrations()).map(({ name }) => name));
    const inBuild = new Set(dataSource.migrations.map(nameOf));
    // TypeORM orders them by the 13 digits at the end of their names.
    return [...new Set([...inBuild, ...applied])]
      .toSorted((a, b) => Number(a.slice(-13)) - Number(b.slice(-13)))
      .map((name) => ({ name, state: !applied.has(name) ? 'pending' : inBuild.has(name) ? 'applied' : NOT_IN_BUILD }));
  });
}

/** The names of the applied migrations that this build lacks, in order. */
export async function unknownMigrations(url: string, folder: string): Promise<string[]> {
  return (await migrationStatus(url, folder)).filter(({ state }) => state === NOT_IN_BUILD).map(({ name }) => name);
}

function nameOf(migration: MigrationInterface): string {
  return migration.name ?? migration.constructor.name;
}

/** The names of the migrations that the database lacks, in order. */
export async function pendingMigrations(url: string, folder: string): Promise<string[]> {
  return (await migrationStatus(url, folder)).filter(({ state }) => state === 'pending').map(({ name }) => name);
}

/**
 * @throws {Error} where the database lacks migrations of this build, or the role does not see every row of the service's tables:
 * bans that row-level security hides would not count.
 */
export async function requireMigrated(url: string, folder: string): Promise<void> {
  const [seen] = await withMigrations(url, folder, (dataSource) =>
    dataSource.query<Record<'role' | 'unreadable' | 'filtered' | 'missing', string | null>[]>(VISIBILITY, [
      [MIGRATIONS_TABLE, ...READ_TABLES],
    ]),
  );
  const role = `the role "${seen?.role ?? ''}"`;
  if (seen?.unreadable) throw new Error(`${role} needs SELECT on ${seen.unreadable}`);
  if (seen?.filtered) {
    throw new Error(`row-level security hides rows of ${seen.filtered} from ${role}: give it BYPASSRLS`);
  }
  const [first, ...others] = await pendingMigrations(url, folder);
  if (first !== undefined) {
    throw new Error(`the database lacks ${others.length + 1} migration(s), first ${first}: run "im-signature migrate"`);
  }
  if (seen?.missing) {
    throw new Error(`all migrations are applied, but there is no ${seen.missing}: restore a backup`);
  }
}

/** What the role does not see of the tables. */
const VISIBILITY = `
  SELECT current_user AS role,
    string_agg(name, ', ') FILTER (WHERE NOT has_table_privilege(to_regclass(name), 'SELECT')) AS unreadable,
    string_agg(name, ', ') FILTER (WHERE row_security_active(to_regclass(name))) AS filtered,
    string_agg(name, ', ') FILTER (WHERE to_regclass(name) IS NULL) AS missing
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
    // Another process may migrate for long.
    await lock.query('SET LOCAL lock_timeout = 0');
    await lock.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
    return await work();
  } finally {
    // Losing the connection releases the lock, too; its error must not hide that of the work.
    await lock.rollbackTransaction().catch(() => undefined);
    await lock.release();
  }
}

async function withMigrations<T>(
  url: string,
  folder: string,
  work: (source: DataSource, registrations: Registrations) => Promise<T>,
): Promise<T> {
  const registrations = await loadRegistrations(folder);
  const dataSource = await connect(
    {
      ...adminOptions(url),
      migrationsTableName: MIGRATIONS_TABLE,
      migrations: [`${import.meta.dirname}/../../migrations/*.js`, ...registrations],
    },
    // Of two values for an option, PostgreSQL takes the last.
    ADMIN_SESSIONS.map((session) => `${session} -c lock_timeout=${LOCK_TIMEOUT}`),
  );
  try {
    return await work(dataSource, registrations);
  } finally {
    await dataSource.destroy();
  }
}

type Registrations = Awaited<ReturnType<typeof loadRegistrations>>;

import { Client, type ClientConfig } from 'pg';
import { DataSource, type DataSourceOptions, type MigrationInterface } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';

/** To establish a connection. */
export const CONNECT_TIMEOUT = 2_000;

/** PostgreSQL cancels a look-up after this time: below the second after which its result could not be used any more. */
export const STATEMENT_TIMEOUT_MS = 800;

/** A setting that only a session of its own has: a pooler passes no settings on, or refuses them. */
export const OWN_SESSION = 'im_signature.own_session';

/**
 * Prepared statements keep their plan while tables grow; one that scans a table, as fits an empty one, must not be among them.
 * Compiling a look-up (jit) takes longer than running it.
 */
const SESSION = `-c statement_timeout=${STATEMENT_TIMEOUT_MS} -c enable_seqscan=off -c jit=off -c ${OWN_SESSION}=on`;

/** To notice a network that forgets idle connections. */
const KEEP_ALIVE_DELAY_MS = 10_000;

/** Codes of Node and PostgreSQL (appendix A of its manual) which say that a server is not there, or refuses. */
const AWAY = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH']);
const NO_ANSWER = /^(Connection terminated due to connection timeout|timeout exceeded when trying to connect)$/;
const REFUSED = new Set(['28P01', '28000', '3D000', '53300', '57P03']);

/** The database cannot be reached; the message is one line that says why, and never holds its URL. */
export class DatabaseError extends Error {}

/** A connection that may end at any moment: a query under way is told, else the pool drops it. Unheard, the event would end the process. */
class ServiceClient extends Client {
  constructor(config?: ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/** How the service connects. `synchronize` stays off: the schema is made by migrations and nothing else. */
export function serviceOptions(url: string, poolSize: number) {
  return {
    type: 'postgres',
    url,
    poolSize,
    synchronize: false,
    applicationName: 'im-signature',
    connectTimeoutMS: CONNECT_TIMEOUT,
    extra: {
      Client: ServiceClient,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      // A connection that is dropped takes its prepared statements along.
      idleTimeoutMillis: 0,
    },
  } as const satisfies DataSourceOptions;
}

/** How administrators' commands do: once the server has answered, they may wait for each other, and take their time. */
export function adminOptions(url: string) {
  return {
    type: 'postgres',
    url,
    poolSize: 2,
    synchronize: false,
    applicationName: 'im-signature-admin',
    connectTimeoutMS: CONNECT_TIMEOUT,
  } as const satisfies DataSourceOptions;
}

/** Where TypeORM keeps which migrations are applied: a name that no other service's table in the same schema has. */
export const MIGRATIONS_TABLE = 'im_signature_migrations';

/** @param registrations the classes of the migrations that register and change apps. */
export function migrationOptions(url: string, registrations: readonly (new () => MigrationInterface)[]) {
  return {
    ...adminOptions(url),
    migrationsTableName: MIGRATIONS_TABLE,
    migrations: [`${import.meta.dirname}/../../migrations/*.js`, ...registrations],
  };
}

/** @throws {DatabaseError} */
export async function connect(options: DataSourceOptions): Promise<DataSource> {
  try {
    const dataSource = await new DataSource(options).initialize();
    await requireUtf8(dataSource);
    return dataSource;
  } catch (error) {
    throw new DatabaseError(`DATABASE_URL: ${reason(error as NodeJS.ErrnoException)}`, { cause: error });
  }
}

/**
 * Connects the service, with time limits that PostgreSQL keeps; without them through a pooler that does not pass them on.
 *
 * @throws {DatabaseError} also where PostgreSQL is a standby.
 */
export async function connectService(options: PostgresDataSourceOptions): Promise<DataSource> {
  const dataSource = await connect({ ...options, url: withSession(options.url ?? '') }).catch((error: unknown) => {
    if (!(error instanceof DatabaseError && isStartParameterRefused(error.cause))) throw error;
    return connect(options);
  });
  const [row] = await dataSource.query<{ standby: boolean }[]>('SELECT pg_is_in_recovery() AS standby');
  if (row?.standby === false) return dataSource;
  await dataSource.destroy();
  throw new DatabaseError('DATABASE_URL: PostgreSQL is in recovery, a standby; it must lead to the primary');
}

/** Milliseconds by which PostgreSQL's clock is ahead of this machine's. */
export async function clockDifference(dataSource: DataSource): Promise<number> {
  const sent = Date.now();
  const [row] = await dataSource.query<{ now: number }[]>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
  );
  return (row?.now ?? NaN) - (sent + Date.now()) / 2;
}

/** Options that the URL has come first, so that ours hold. */
function withSession(text: string): string {
  const url = new URL(text);
  url.searchParams.set('options', `${url.searchParams.get('options') ?? ''} ${SESSION}`.trim());
  return url.href;
}

/** PgBouncer's answer to settings for a session, unless its `ignore_startup_parameters` names them. */
function isStartParameterRefused(error: unknown): boolean {
  return (error as { code?: unknown }).code === '08P01';
}

/** In another encoding an id that it lacks would fail not only its own look-up, but all that share a query with it. */
async function requireUtf8(dataSource: DataSource): Promise<void> {
  const [{ server_encoding: encoding } = { server_encoding: '' }] =
    await dataSource.query<{ server_encoding: string }[]>('SHOW server_encoding');
  if (encoding === 'UTF8') return;
  await dataSource.destroy();
  throw new Error(`its encoding is ${encoding}; it has to be UTF8`);
}

function reason({ code = '', message }: NodeJS.ErrnoException): string {
  if (AWAY.has(code)) return `PostgreSQL does not answer there (${code})`;
  if (NO_ANSWER.test(message)) {
    return `PostgreSQL does not answer there within ${CONNECT_TIMEOUT / 1000} s`;
  }
  if (REFUSED.has(code)) return `PostgreSQL refuses it (${message})`;
  return `it cannot be used (${message})`;
}

import { Client, type ClientConfig, type QueryConfig } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';

const CONNECT_TIMEOUT_MS = 2_000;
const FIRST_ANSWER_TIMEOUT_MS = 10_000;
/** PostgreSQL cancels a look-up after this time: below the second after which its result is too old. */
const STATEMENT_TIMEOUT_MS = 800;

/** A setting that only a session of its own has: a pooler refuses or drops session options. */
export const OWN_SESSION = 'im_signature.own_session';

/**
 * Prepared statements keep their plan while tables grow: it must not be a sequential scan, which fits an empty table.
 * Compiling a look-up (jit) takes longer than running it.
 */
const SESSION = `-c statement_timeout=${STATEMENT_TIMEOUT_MS} -c enable_seqscan=off -c jit=off -c datestyle=ISO -c ${OWN_SESSION}=on`;
/** Shorter than networks keep idle connections. */
const KEEP_ALIVE_DELAY_MS = 10_000;
/**
 * Codes of Node, a message of pg, and codes of PostgreSQL (appendix A of its manual). The last two are those of a database that
 * takes no connections for a while: ALLOW_CONNECTIONS false, or CONNECT revoked.
 */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH']);
const TIMED_OUT = /^(Connection terminated due to connection timeout|timeout exceeded when trying to connect)$/;
export const CONNECTION_REFUSED = new Set(['28P01', '28000', '3D000', '53300', '57P03', '55000', '42501']);

// pg would add the shell's options to the connections that have none of their own, and to no others.
delete process.env.PGOPTIONS;

/** The database cannot be used; the message is one line that says why, and never holds its URL. */
export class DatabaseError extends Error {}

/** A client that survives the loss of its connection: an `error` event without a handler would end the process. */
class ResilientClient extends Client {
  constructor(config?: ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/** What a command does may take long, whatever limits a role has; PostgreSQL 17 has the last of them. */
const LIMITS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout'];
export const ADMIN_SESSIONS = [LIMITS, LIMITS.slice(0, -1)].map((names) =>
  // Rows that row-level security would hide are an error: a list without them is wrong.
  ['row_security=off', ...names.map((name) => `${name}=0`)].map((setting) => `-c ${setting}`).join(' '),
);
/** For a transaction on a connection that may be a pooler's. */
export const LIFT_LIMITS = `
  SELECT set_config('row_security', 'off', true);
  SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('${LIMITS.join("', '")}')`;

/** A server that does not know an option; PgBouncer and RDS Proxy, which take no options (unless PgBouncer is told to ignore them). */
const OPTIONS_REFUSED = ['42704', '08P01', '0A000'];

/**
 * pg reads times in the style ISO only, and a role may have another. PgBouncer, which refuses options, keeps what a client sets. It lets
 * a client wait for minutes while others, such as another connection of the same command, have all that its pool holds.
 */
const FIRST_QUERY: QueryConfig & { query_timeout: number } = {
  text: 'SET datestyle = ISO',
  query_timeout: FIRST_ANSWER_TIMEOUT_MS,
};
const NO_FIRST_ANSWER =
  `a connection got no answer within ${FIRST_ANSWER_TIMEOUT_MS / 1000} s. ` +
  'A command takes two at a time, a service up to DATABASE_POOL_SIZE: let the pooler hold more (PgBouncer: default_pool_size), or connect to PostgreSQL directly';

async function begin(client: Client): Promise<void> {
  try {
    await client.query(FIRST_QUERY);
  } catch (error) {
    if ((error as Error).message !== 'Query read timeout') throw error;
    throw new Error(NO_FIRST_ANSWER, { cause: error });
  }
}

/** For the commands of administrators. */
export function adminOptions(url: string) {
  return {
    type: 'postgres',
    url,
    poolSize: 2,
    // Migrations, and nothing else, change the schema.
    synchronize: false,
    // TypeORM would print a failed migration on standard output; the error says it.
    logger: 'debug',
    applicationName: 'im-signature-admin',
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    extra: {
      Client: ResilientClient,
      verify(client: Client, done: (error?: Error) => void) {
        begin(client).then(() => {
          done();
        }, done);
      },
    },
  } as const satisfies DataSourceOptions;
}

export function serviceOptions(url: string, poolSize: number) {
  return {
    ...adminOptions(url),
    poolSize,
    applicationName: 'im-signature',
    extra: {
      Client: ResilientClient,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      // Connections stay open, since each has its own prepared statements.
      idleTimeoutMillis: 0,
    },
  } as const satisfies DataSourceOptions;
}

/** Connects with the first of some options for a session that is accepted, or without any. @throws {DatabaseError} */
export async function connect(options: PostgresDataSourceOptions, sessions = ADMIN_SESSIONS): Promise<DataSource> {
  for (const session of sessions) {
    const url = new URL(options.url ?? '');
    // After the URL's own: of two values for an option, PostgreSQL takes the last.
    url.searchParams.set('options', `${url.searchParams.get('options') ?? ''} ${session}`.trim());
    try {
      return await tryToConnect({ ...options, url: url.href });
    } catch (error) {
      const { code = '' } = (error as Error).cause as NodeJS.ErrnoException;
      if (!OPTIONS_REFUSED.includes(code)) throw error;
    }
  }
  return tryToConnect(options);
}

async function tryToConnect(options: DataSourceOptions): Promise<DataSource> {
  try {
    const dataSource = await new DataSource(options).initialize();
    const [row] = await dataSource.query<{ server_encoding: string }[]>('SHOW server_encoding');
    if (row?.server_encoding === 'UTF8') return dataSource;
    // An id with a character that another encoding lacks would fail all look-ups that share its query.
    await dataSource.destroy();
    throw new Error(`its encoding is ${row?.server_encoding ?? 'unknown'}; it must be UTF8`);
  } catch (error) {
    throw new DatabaseError(`DATABASE_URL: ${reason(error as NodeJS.ErrnoException)}`, { cause: error });
  }
}

/** Connects the service. @throws {DatabaseError} also where PostgreSQL is a standby. */
export async function connectService(options: PostgresDataSourceOptions): Promise<DataSource> {
  const dataSource = await connect(options, [SESSION]);
  const [row] = await dataSource.query<{ standby: boolean }[]>('SELECT pg_is_in_recovery() AS standby');
  if (row?.standby === false) return dataSource;
  await dataSource.destroy();
  throw new DatabaseError('DATABASE_URL: PostgreSQL is in recovery, a standby; it must lead to the primary');
}

/** Runs `work` on a connection outside a pool, for COPY, and ends the connection, even in the middle of an answer. */
export async function withOwnConnection<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new ResilientClient({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'im-signature-admin',
  });
  await client.connect();
  try {
    await begin(client);
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Milliseconds by which PostgreSQL's clock is ahead of this machine's. */
export async function clockDifference(dataSource: DataSource): Promise<number> {
  const sent = Date.now();
  const [row] = await dataSource.query<{ now: number }[]>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
  );
  return (row?.now ?? NaN) - (sent + Date.now()) / 2;
}

function reason({ code = '', message }: NodeJS.ErrnoException): string {
  if (UNREACHABLE.has(code)) return `PostgreSQL does not answer there (${code}); start it, or correct the address`;
  if (TIMED_OUT.test(message)) {
    return `PostgreSQL does not answer there within ${CONNECT_TIMEOUT_MS / 1000} s; see that it runs and is reachable`;
  }
  if (CONNECTION_REFUSED.has(code)) {
    return `PostgreSQL refuses the connection (${message}); correct the URL, or let the server accept it`;
  }
  return `the database cannot be used (${message})`;
}

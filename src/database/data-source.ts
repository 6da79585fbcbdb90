import { DataSource, type DataSourceOptions } from 'typeorm';
import { ImpatientClient } from './impatient-client.js';

/** Milliseconds to wait for a connection, and then for an answer: beyond, the caller is told `unavailable` rather than kept. */
export const CONNECT_TIMEOUT = 2_000;
const QUERY_TIMEOUT = 2_000;

/** Codes of Node and PostgreSQL (appendix A of its manual) which say that a server is not there, or refuses. */
const AWAY = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH']);
const REFUSED = new Set(['28P01', '28000', '3D000', '53300', '57P03']);

/** The database cannot be reached; the message is one line that says why, and never holds its URL. */
export class DatabaseError extends Error {}

/** How the service talks to PostgreSQL. `synchronize` stays off: the schema is made by migrations and nothing else. */
export function serviceOptions(url: string, poolSize: number) {
  return {
    type: 'postgres',
    url,
    poolSize,
    synchronize: false,
    applicationName: 'im-signature',
    connectTimeoutMS: CONNECT_TIMEOUT,
    extra: { Client: ImpatientClient, query_timeout: QUERY_TIMEOUT, statement_timeout: QUERY_TIMEOUT },
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

export function migrationOptions(url: string) {
  return { ...adminOptions(url), migrations: [`${import.meta.dirname}/../../migrations/*.js`] };
}

/** Where a data source that was made with one of these connects to. */
export function urlOf(dataSource: DataSource): string {
  return (dataSource.options as { readonly url: string }).url;
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
  if (message.includes('timeout')) {
    return `PostgreSQL does not answer there within ${CONNECT_TIMEOUT / 1000} s`;
  }
  if (REFUSED.has(code)) return `PostgreSQL refuses it (${message})`;
  return `it cannot be used (${message})`;
}

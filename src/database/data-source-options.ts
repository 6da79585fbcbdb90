import type { DataSourceOptions } from 'typeorm';

/** Milliseconds to wait for a connection, and for a query: beyond, the caller is told `unavailable` rather than kept. */
const CONNECT_TIMEOUT = 2_000;
const QUERY_TIMEOUT = 2_000;

/** How the service talks to PostgreSQL. `synchronize` stays off: the schema is made by migrations and nothing else. */
export function serviceDataSource(url: string, poolSize: number) {
  return {
    type: 'postgres',
    url,
    poolSize,
    synchronize: false,
    applicationName: 'im-signature',
    connectTimeoutMS: CONNECT_TIMEOUT,
    extra: { query_timeout: QUERY_TIMEOUT, statement_timeout: QUERY_TIMEOUT },
  } as const satisfies DataSourceOptions;
}

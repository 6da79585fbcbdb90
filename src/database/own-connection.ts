import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { CONNECT_TIMEOUT, urlOf } from './data-source.js';

/** A connection beside the pool, for COPY: one that ends with the work, also amid an answer that nobody reads any more. */
export async function withOwnConnection<T>(
  dataSource: DataSource,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({
    connectionString: urlOf(dataSource),
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    application_name: 'im-signature-admin',
  });
  // The query that was under way says what is wrong.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

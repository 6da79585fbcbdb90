import { Client } from 'pg';
import { CONNECT_TIMEOUT } from './data-source.js';

/** Works on a connection outside a pool, for COPY: it ends with the work, also in the middle of an answer that is no longer read. */
export async function withOwnConnection<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    application_name: 'im-signature-admin',
  });
  // The query in flight fails with the reason.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

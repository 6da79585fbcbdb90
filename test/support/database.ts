import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';
import { administer, databaseUrl } from './postgres.setup.js';

export interface TestDatabase {
  readonly url: string;
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Every row of every table, as text. */
  dump(): Promise<string[]>;
  /** How many statements wait for the lock of a table, here and not in another test's database. */
  waitingForTables(): Promise<number>;
  drop(): Promise<void>;
}

/** A database of its own: with every migration applied, or empty. */
export async function makeDatabase(kind: 'migrated' | 'empty'): Promise<TestDatabase> {
  const serverUrl = inject('serverUrl');
  const name = `im_signature_${randomUUID().replaceAll('-', '')}`;
  const template = kind === 'migrated' ? inject('template') : `template0 ENCODING 'UTF8'`;
  await administer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = databaseUrl(serverUrl, name);
  const client = new Client({ connectionString: url });
  await client.connect();
  const query = async <Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await client.query<Row>(sql, [...values])).rows;
  return {
    url,
    query,
    async dump() {
      const tables = await query<{ name: string }>(
        `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
      );
      const rows: string[] = [];
      for (const { name: table } of tables) {
        const found = await query<{ row: string }>(`SELECT t::text AS row FROM "${table}" t`);
        rows.push(...found.map(({ row }) => row));
      }
      return rows;
    },
    async waitingForTables() {
      const waiting = await query(`
        SELECT FROM pg_locks
        WHERE NOT granted AND locktype = 'relation'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
      return waiting.length;
    },
    async drop() {
      await client.end();
      await administer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

import { pipeline } from 'node:stream/promises';
import { escapeLiteral } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { requireApp, withAdmin } from '../admin-context.js';
import type { Format } from './import.js';
import { withOwnConnection } from '../own-connection.js';

export interface ExportOptions {
  appId: string;
  conversationId?: string;
  format: Format;
}

/**
 * PostgreSQL writes the lines itself, so that no row passes through JavaScript. JSON has no control character in it: with these two for
 * a delimiter and a quote, CSV of one column is the bare text of it.
 */
const COPY_OPTIONS: Readonly<Record<Format, string>> = {
  csv: 'FORMAT csv, HEADER',
  ndjson: String.raw`FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02'`,
};

export async function run({ appId, conversationId, format }: ExportOptions): Promise<void> {
  await withAdmin(async (admin) => {
    await requireApp(admin, appId);
    if (conversationId !== undefined) {
      const found = await admin.dataSource.query<unknown[]>(
        'SELECT FROM conversations WHERE app_id = $1 AND conversation_id = $2',
        [appId, conversationId],
      );
      if (found.length === 0) {
        throw new Error(`no conversation "${conversationId}" is registered in the app "${appId}"`);
      }
    }
    await withOwnConnection(admin.dataSource, async (client) => {
      const copy = client.query(copyTo(copySql(appId, conversationId, format)));
      // The connection ends amid it when nobody reads any more.
      copy.on('error', () => undefined);
      // What is wrong with the output is told, or is not, where it is for every command: in main.ts.
      let outputFault: Error | undefined;
      process.stdout.once('error', (error: Error) => {
        outputFault = error;
      });
      try {
        await pipeline(copy, process.stdout, { end: false });
      } catch (error) {
        if (error !== outputFault) throw error;
      }
    });
  });
}

/** One statement sees the memberships as they were at one moment. COPY takes no parameters. */
function copySql(appId: string, conversationId: string | undefined, format: Format): string {
  const only = conversationId === undefined ? '' : ` AND conversation_id = ${escapeLiteral(conversationId)}`;
  const rows = `
    SELECT conversation_id, client_id, role FROM conversation_members WHERE app_id = ${escapeLiteral(appId)}${only}
    ORDER BY conversation_id, client_id`;
  const query = format === 'csv' ? rows : `SELECT row_to_json(member) FROM (${rows}) AS member`;
  return `COPY (${query}) TO STDOUT WITH (${COPY_OPTIONS[format]})`;
}

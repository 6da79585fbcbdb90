import type { Readable } from 'node:stream';
import { type Client, escapeLiteral } from 'pg';
import { to as copyTo } from 'pg-copy-streams';

export type Format = 'csv' | 'ndjson';

/**
 * PostgreSQL writes the lines itself, so that no row passes through JavaScript. JSON has no control character in it: with these two for
 * a delimiter and a quote, CSV of one column is the bare text of it.
 */
const COPY_OPTIONS: Readonly<Record<Format, string>> = {
  csv: 'FORMAT csv, HEADER',
  ndjson: String.raw`FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02'`,
};

/** The memberships of an app, or of one conversation in it, as they are at one moment, by conversation and client. */
export function readMembers(
  client: Client,
  appId: string,
  conversationId: string | undefined,
  format: Format,
): Readable {
  // COPY takes no parameters.
  const only = conversationId === undefined ? '' : ` AND conversation_id = ${escapeLiteral(conversationId)}`;
  const rows = `
    SELECT conversation_id, client_id, role FROM conversation_members WHERE app_id = ${escapeLiteral(appId)}${only}
    ORDER BY conversation_id, client_id`;
  const query = format === 'csv' ? rows : `SELECT row_to_json(member) FROM (${rows}) AS member`;
  return client.query(copyTo(`COPY (${query}) TO STDOUT WITH (${COPY_OPTIONS[format]})`));
}

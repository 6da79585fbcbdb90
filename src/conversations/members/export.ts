import type { Readable } from 'node:stream';
import { type Client, escapeLiteral } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { LIFT_LIMITS } from '../../database/data-source.js';
import type { Format } from './parse.js';

/** The memberships of an app, or of one of its conversations, from one snapshot, by conversation and client. */
export async function readMembers(
  client: Client,
  appId: string,
  conversationId: string | undefined,
  format: Format,
): Promise<Readable> {
  // COPY takes no parameters.
  const only = conversationId === undefined ? '' : ` AND conversation_id = ${escapeLiteral(conversationId)}`;
  const rows = `
    SELECT conversation_id, client_id, role FROM conversation_members WHERE app_id = ${escapeLiteral(appId)}${only}
    ORDER BY conversation_id, client_id`;
  // JSON contains no control characters: with two of them as delimiter and quote, CSV of one column is bare text.
  const copy =
    format === 'csv'
      ? `COPY (${rows}) TO STDOUT (FORMAT csv, HEADER)`
      : `COPY (SELECT row_to_json(m) FROM (${rows}) AS m) TO STDOUT (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')`;
  await client.query(`BEGIN READ ONLY; ${LIFT_LIMITS}`);
  return client.query(copyTo(copy));
}

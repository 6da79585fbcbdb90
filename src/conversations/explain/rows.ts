import type { DataSource } from 'typeorm';
import type { Operation, Refusal } from '../decision.js';

/** A row that a refusal rests on, by the names of its columns. */
export type DecidingRow = Readonly<{ table: string; row: Readonly<Record<string, unknown>> }>;

/** Rows of a table that are shown, so that a list of 500 members does not fill the screen. */
const MAX_ROWS = 10;

const BANS = `
  SELECT 'client_bans' AS "table", to_jsonb(b) AS row FROM client_bans b
  WHERE app_id = $1 AND client_id = ANY ($2) ORDER BY client_id LIMIT ${MAX_ROWS}`;
const CONVERSATION = `
  SELECT 'conversations' AS "table", to_jsonb(c) AS row FROM conversations c WHERE app_id = $1 AND conversation_id = $2`;
const MEMBERS = `
  SELECT 'conversation_members' AS "table", to_jsonb(m) AS row FROM conversation_members m
  WHERE app_id = $1 AND conversation_id = $2 AND client_id = ANY ($3)
  ORDER BY client_id <> $4, client_id LIMIT ${MAX_ROWS}`;

/** The rows that a refusal rests on, as they are now; the client's own first. */
export async function decidingRows(
  database: Pick<DataSource, 'query'>,
  { appId, clientId, conversationId, members }: Operation,
  refusal: Refusal,
): Promise<DecidingRow[]> {
  const conversation = async () => database.query<DecidingRow[]>(CONVERSATION, [appId, conversationId]);
  switch (refusal) {
    case 'client_banned':
      return database.query<DecidingRow[]>(BANS, [appId, [clientId]]);
    case 'member_banned':
      return database.query<DecidingRow[]>(BANS, [appId, members]);
    case 'not_permitted':
      return [
        ...(await conversation()),
        ...(await database.query<DecidingRow[]>(MEMBERS, [appId, conversationId, [clientId, ...members], clientId])),
      ];
    case 'conversation_full':
      return conversation();
    case 'conversation_unknown':
      return [];
  }
}

/** How many members a conversation has. */
export async function countMembers(database: Pick<DataSource, 'query'>, appId: string, conversationId: string) {
  const [row] = await database.query<{ count: number }[]>(
    'SELECT count(*)::integer AS count FROM conversation_members WHERE app_id = $1 AND conversation_id = $2',
    [appId, conversationId],
  );
  return row?.count ?? 0;
}

/** A member of the conversation whose id differs only by case, Unicode normalisation or blanks, if the client is none. */
export async function similarMember(
  database: Pick<DataSource, 'query'>,
  { appId, clientId, conversationId }: Operation,
): Promise<string | undefined> {
  const plain = (expression: string): string => `lower(btrim(normalize(${expression}, NFKC)))`;
  const [row] = await database.query<{ client_id: string }[]>(
    `SELECT client_id FROM conversation_members
     WHERE app_id = $1 AND conversation_id = $2 AND client_id <> $3 AND ${plain('client_id')} = ${plain('$3')}
       AND NOT EXISTS (SELECT FROM conversation_members WHERE app_id = $1 AND conversation_id = $2 AND client_id = $3)
     ORDER BY client_id LIMIT 1`,
    [appId, conversationId, clientId],
  );
  return row?.client_id;
}

import type { DataSource } from 'typeorm';
import type { Conversation, Role } from './decision.js';

/** The rules of a conversation, and its members in numbers. */
export interface ConversationSummary {
  readonly app_id: string;
  readonly conversation_id: string;
  readonly join_rule: Conversation['joinRule'];
  readonly invite_rule: Conversation['inviteRule'];
  readonly kick_rule: Conversation['kickRule'];
  /** Null: no limit. */
  readonly member_limit: number | null;
  readonly members: number;
  readonly owners: number;
  readonly managers: number;
  /** When the row was written, and by which role; null: before this was recorded. */
  readonly created_at: Date | null;
  readonly created_by: string | null;
  /** At most 100, owners first, then by client id. */
  readonly above_members: readonly { readonly client_id: string; readonly role: Role }[];
}

/** One statement, so that the numbers and the list agree. */
const SUMMARY = `
  WITH counted AS (
    SELECT count(*)::integer AS members,
      (count(*) FILTER (WHERE role = 'owner'))::integer AS owners,
      (count(*) FILTER (WHERE role = 'manager'))::integer AS managers
    FROM conversation_members WHERE app_id = $1 AND conversation_id = $2
  ), listed AS (
    SELECT client_id, role FROM conversation_members
    WHERE app_id = $1 AND conversation_id = $2 AND role IN ('owner', 'manager')
    ORDER BY role = 'owner' DESC, client_id LIMIT 100
  )
  SELECT app_id, conversation_id, join_rule, invite_rule, kick_rule, member_limit, members, owners, managers, created_at, created_by,
    COALESCE((SELECT json_agg(listed) FROM listed), '[]') AS above_members
  FROM conversations, counted WHERE app_id = $1 AND conversation_id = $2`;

/** @returns undefined when the conversation is not registered. */
export async function summarise(dataSource: DataSource, appId: string, conversationId: string) {
  const [summary] = await dataSource.query<ConversationSummary[]>(SUMMARY, [appId, conversationId]);
  return summary;
}

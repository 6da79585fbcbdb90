import type { DataSource } from 'typeorm';
import type { Conversation, Role } from './decision.js';

/** Owners and managers that are listed, so that a screen holds them; how many there are is counted besides. */
const MAX_LISTED = 100;

/** One statement, so that all of it is as it was at one moment. */
const SUMMARY = `
  WITH counted AS (
    SELECT count(*)::integer AS members,
      (count(*) FILTER (WHERE role = 'owner'))::integer AS owners,
      (count(*) FILTER (WHERE role = 'manager'))::integer AS managers
    FROM conversation_members WHERE app_id = $1 AND conversation_id = $2
  ), listed AS (
    SELECT client_id, role FROM conversation_members
    WHERE app_id = $1 AND conversation_id = $2 AND role IN ('owner', 'manager')
    ORDER BY role = 'owner' DESC, client_id LIMIT ${MAX_LISTED}
  )
  SELECT app_id, conversation_id, join_rule, invite_rule, kick_rule, member_limit, members, owners, managers,
    COALESCE((SELECT json_agg(listed) FROM listed), '[]') AS above_members
  FROM conversations, counted WHERE app_id = $1 AND conversation_id = $2`;

/** The rules of a conversation, and its members in numbers. */
export interface ConversationSummary {
  readonly app_id: string;
  readonly conversation_id: string;
  readonly join_rule: Conversation['joinRule'];
  readonly invite_rule: Conversation['inviteRule'];
  readonly kick_rule: Conversation['kickRule'];
  readonly member_limit: number | null;
  readonly members: number;
  readonly owners: number;
  readonly managers: number;
  /** The first of the owners and managers. */
  readonly above_members: readonly { readonly client_id: string; readonly role: Role }[];
}

/** Undefined: it is not registered. */
export async function summarise(
  dataSource: DataSource,
  appId: string,
  conversationId: string,
): Promise<ConversationSummary | undefined> {
  const [summary] = await dataSource.query<ConversationSummary[]>(SUMMARY, [appId, conversationId]);
  return summary;
}

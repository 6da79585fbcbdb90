import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Membership } from '../apps/app.entity.js';
import { Problem } from '../operations/problem.js';
import { type Conversation, decide, isRuled, type Operation, type Role } from './decision.js';

/**
 * The rules of one conversation, the roles of those named in $3 (each once), and how many members there are: the last only where $4
 * says that members would be added, there is a limit, and somebody named is no member. It counts no further than the limit.
 */
const CONVERSATION = `
  SELECT c.join_rule AS "joinRule", c.invite_rule AS "inviteRule", c.kick_rule AS "kickRule",
    c.member_limit AS "memberLimit", named.roles,
    CASE WHEN $4 AND c.member_limit IS NOT NULL AND named.found < cardinality($3::text[])
      THEN (
        SELECT count(*)::integer FROM (
          SELECT FROM conversation_members m
          WHERE m.app_id = c.app_id AND m.conversation_id = c.conversation_id LIMIT c.member_limit
        ) AS counted
      )
      ELSE 0
    END AS "memberCount"
  FROM conversations c
  CROSS JOIN LATERAL (
    SELECT count(*) AS found, coalesce(json_agg(json_build_array(m.client_id, m.role)), '[]') AS roles
    FROM conversation_members m
    WHERE m.app_id = c.app_id AND m.conversation_id = c.conversation_id AND m.client_id = ANY ($3)
  ) AS named
  WHERE c.app_id = $1 AND c.conversation_id = $2`;

interface Row extends Omit<Conversation, 'roles'> {
  readonly roles: [string, Role][];
}

/** What the rules of conversations permit. */
@Injectable()
export class ConversationRules {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * No query where no rule can refuse, else one.
   *
   * @throws {Problem} `not_permitted`, `conversation_unknown`, `conversation_full`
   */
  async requirePermitted(operation: Operation, membership: Membership): Promise<void> {
    if (!isRuled(operation, membership)) return;
    const decision = decide(operation, membership, await this.lookUp(operation));
    if (decision !== 'allowed') throw new Problem(decision, TOLD[decision]);
  }

  private async lookUp({
    action,
    appId,
    clientId,
    conversationId,
    members,
  }: Operation): Promise<Conversation | null> {
    const named = [...new Set([clientId, ...members])];
    const [row] = await this.dataSource.query<Row[]>(CONVERSATION, [
      appId,
      conversationId,
      named,
      action === 'invite',
    ]);
    return row === undefined ? null : { ...row, roles: new Map(row.roles) };
  }
}

const TOLD = {
  not_permitted: 'The rules of the conversation do not let the client do this.',
  conversation_unknown: 'The app asks for registered conversations, and this one is not.',
  conversation_full: 'There would be more members than the conversation may have.',
} as const;

import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Membership } from '../apps/app.entity.js';
import { ChangeFeed } from '../database/change-feed.js';
import { type FetchRow, inBatches } from '../database/in-batches.js';
import type { RowCache } from '../database/row-cache.js';
import { Problem } from '../operations/problem.js';
import { type Conversation, decide, isRuled, type Operation, type Role, type Rules } from './decision.js';

const MAX_CONVERSATIONS = 50_000;
const MAX_ROLES = 200_000;

/**
 * All that decisions need, in one round trip: the rules of the conversations $1, $2; the roles of the clients $5 in the conversations
 * $3, $4; and how many members there are in $6, $7, counted no further than the limit, with the limit that was meant, so that no
 * limit is compared with a number that was counted up to another one.
 * A conversation's fact stands under no client, its number of members under the empty one.
 */
const FACTS = `
  SELECT app_id, conversation_id, NULL AS client_id, json_build_object(
    'joinRule', join_rule, 'inviteRule', invite_rule, 'kickRule', kick_rule, 'memberLimit', member_limit
  ) AS fact
  FROM unnest($1::text[], $2::text[]) AS wanted (app_id, conversation_id)
  JOIN conversations USING (app_id, conversation_id)
  UNION ALL
  SELECT app_id, conversation_id, client_id, to_json(role)
  FROM unnest($3::text[], $4::text[], $5::text[]) AS wanted (app_id, conversation_id, client_id)
  JOIN conversation_members USING (app_id, conversation_id, client_id)
  UNION ALL
  SELECT app_id, conversation_id, '', json_build_object('memberLimit', member_limit, 'memberCount',
    CASE WHEN member_limit IS NULL THEN 0 ELSE (
      SELECT count(*) FROM (
        SELECT FROM conversation_members m
        WHERE m.app_id = c.app_id AND m.conversation_id = c.conversation_id LIMIT c.member_limit
      ) AS counted
    ) END
  )
  FROM unnest($6::text[], $7::text[]) AS wanted (app_id, conversation_id)
  JOIN conversations c USING (app_id, conversation_id)`;

type Places = Pick<Conversation, 'memberLimit' | 'memberCount'>;

/** Of a conversation to which nobody is added, or as many as want to be. */
const UNLIMITED: Places = { memberLimit: null, memberCount: 0 };

interface Row {
  readonly app_id: string;
  readonly conversation_id: string;
  readonly client_id: string | null;
  readonly fact: Rules | Role | Places;
}

/** What the rules of conversations permit. */
@Injectable()
export class ConversationRules {
  private readonly rules: RowCache<Rules>;
  private readonly roles: RowCache<Role>;
  private readonly places: RowCache<Places>;

  constructor(
    private readonly dataSource: DataSource,
    feed: ChangeFeed,
  ) {
    const fetch = inBatches((keys) => this.fetch(keys));
    this.rules = feed.cache({
      name: 'conversations',
      max: MAX_CONVERSATIONS,
      keyParts: 2,
      tables: ['conversations'],
      fetch: fetch as FetchRow<Rules>,
    });
    this.roles = feed.cache({
      name: 'roles',
      max: MAX_ROLES,
      keyParts: 3,
      tables: ['conversation_members'],
      fetch: fetch as FetchRow<Role>,
    });
    this.places = feed.cache({
      name: 'member counts',
      max: MAX_CONVERSATIONS,
      keyParts: 2,
      tables: ['conversations', 'conversation_members'],
      fetch: (key) => (fetch as FetchRow<Places>)(`${key}:`),
    });
  }

  /**
   * No look-up where no rule can refuse.
   *
   * @throws {Problem} `not_permitted`, `conversation_unknown`, `conversation_full`
   */
  async requirePermitted(operation: Operation, membership: Membership): Promise<void> {
    if (!isRuled(operation, membership)) return;
    const decision = decide(operation, membership, await this.lookUp(operation));
    if (decision !== 'allowed') throw new Problem(decision, TOLD[decision]);
  }

  private async lookUp(operation: Operation): Promise<Conversation | null> {
    const { action, appId, clientId, conversationId } = operation;
    const key = `${appId}:${conversationId}`;
    const named = [...new Set([clientId, ...operation.members])];
    // What is missing of all this is fetched together.
    const known = this.rules.get(key);
    const mayBeLimited = known instanceof Promise || typeof known?.memberLimit === 'number';
    const [rules, places, ...roles] = await Promise.all([
      known,
      action === 'invite' && mayBeLimited ? this.places.get(key) : UNLIMITED,
      ...named.map((id) => this.roles.get(`${key}:${id}`)),
    ]);
    if (rules === undefined || places === undefined) return null;
    const members = named.flatMap((id, i) => {
      const role = roles[i];
      return role === undefined ? [] : [[id, role] as const];
    });
    return { ...rules, ...places, roles: new Map(members) };
  }

  private async fetch(keys: readonly string[]): Promise<Map<string, Row['fact']>> {
    const wanted = keys.map((key) => key.split(':'));
    const conversations = wanted.filter(([, , clientId]) => clientId === undefined);
    const roles = wanted.filter(([, , clientId]) => clientId !== undefined && clientId !== '');
    const counts = wanted.filter(([, , clientId]) => clientId === '');
    const rows = await this.dataSource.query<Row[]>(FACTS, [
      ...columns(conversations, 2),
      ...columns(roles, 3),
      ...columns(counts, 2),
    ]);
    return new Map(
      rows.map(({ app_id, conversation_id, client_id, fact }) => [
        `${app_id}:${conversation_id}${client_id === null ? '' : `:${client_id}`}`,
        fact,
      ]),
    );
  }
}

function columns(rows: readonly (readonly string[])[], count: number): (string | undefined)[][] {
  return Array.from({ length: count }, (_, i) => rows.map((row) => row[i]));
}

const TOLD = {
  not_permitted: 'The rules of the conversation do not let the client do this.',
  conversation_unknown: 'The app asks for registered conversations, and this one is not.',
  conversation_full: 'There would be more members than the conversation may have.',
} as const;

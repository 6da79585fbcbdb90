import type { Membership } from '../apps/app.entity.js';

/** What a client asks to do; every action that can be signed. */
export interface Operation {
  readonly action: 'login' | 'conversion' | 'invite' | 'kick';
  readonly appId: string;
  readonly clientId: string;
  /** The empty string where the action is about no conversation. */
  readonly conversationId: string;
  /** May repeat an id, and may hold the client's own. */
  readonly members: readonly string[];
}

export type Role = 'owner' | 'manager' | 'member';

/** The ranks of DESIGN, "Who may do what"; who is no member ranks with anyone. */
const RANK = { owner: 3, manager: 2, member: 1, anyone: 0 } as const;

/** The rules of a registered conversation. */
export interface Rules {
  readonly joinRule: 'anyone' | 'invited';
  readonly inviteRule: Role | 'anyone';
  readonly kickRule: Role | 'anyone';
  readonly memberLimit: number | null;
}

/** A registered conversation: its rules, and as much about its members as a decision needs. */
export interface Conversation extends Rules {
  /** The members there are, or `memberLimit` if that is less. Only looked at where somebody would be added to a limit. */
  readonly memberCount: number;
  /** The roles of the client and of the members named in the operation; who is missing is no member. */
  readonly roles: ReadonlyMap<string, Role>;
}

export type Decision = 'allowed' | 'not_permitted' | 'conversation_unknown' | 'conversation_full';

interface Ranks {
  readonly rank: number;
  /** Of the members named, without the client itself. */
  readonly others: readonly number[];
}

/** DESIGN, "Who may do what": what is asked, and when it is allowed. */
const WHO_MAY = {
  join: ({ joinRule }, { rank }) => rank >= RANK.member || joinRule === 'anyone',
  inviteOthers: ({ inviteRule }, { rank }) => rank >= RANK[inviteRule],
  leave: () => true,
  kickOthers: ({ kickRule }, { rank, others }) =>
    rank >= RANK[kickRule] && others.every((other) => rank > other),
} as const satisfies Record<string, (conversation: Conversation, ranks: Ranks) => boolean>;

/**
 * The rows of the table that an operation has to meet; none for an action that is not in a conversation.
 *
 * The own id among others makes two rows: an operation may do what its parts may do one by one. So nobody joins a conversation
 * that takes only the invited by inviting a friend along, and a manager may leave and take a member along, though nobody ranks
 * above itself.
 */
function rowsAsked({ action, clientId, members }: Operation): (keyof typeof WHO_MAY)[] {
  const own = members.includes(clientId);
  const others = members.some((member) => member !== clientId);
  switch (action) {
    case 'login':
    case 'conversion':
      return [];
    case 'invite':
      if (!others) return ['join'];
      return own ? ['join', 'inviteOthers'] : ['inviteOthers'];
    case 'kick':
      if (!own) return ['kickOthers'];
      return others ? ['leave', 'kickOthers'] : ['leave'];
  }
}

/**
 * Whether the answer depends on the conversation. Leaving is allowed wherever the conversation is registered, so it only does
 * where unregistered ones are refused.
 */
export function isRuled(operation: Operation, membership: Membership): boolean {
  if (membership === 'off') return false;
  return rowsAsked(operation).some((row) => row !== 'leave' || membership === 'required');
}

/**
 * Whether the conversation's rules let the client do it. Bans are judged before, by `refusedByBan`.
 *
 * @param conversation null when it is not registered.
 */
export function decide(
  operation: Operation,
  membership: Membership,
  conversation: Conversation | null,
): Decision {
  if (!isRuled(operation, membership)) return 'allowed';
  if (conversation === null) return membership === 'required' ? 'conversation_unknown' : 'allowed';
  const ranks = ranksIn(conversation, operation);
  if (!rowsAsked(operation).every((row) => WHO_MAY[row](conversation, ranks))) return 'not_permitted';
  return exceedsLimit(conversation, operation) ? 'conversation_full' : 'allowed';
}

function ranksIn({ roles }: Conversation, { clientId, members }: Operation): Ranks {
  const rankOf = (id: string): number => RANK[roles.get(id) ?? 'anyone'];
  return { rank: rankOf(clientId), others: members.filter((member) => member !== clientId).map(rankOf) };
}

/** Members who are invited again take no place; a limit that was lowered below the members there are drives nobody out. */
function exceedsLimit(
  { memberLimit, memberCount, roles }: Conversation,
  { action, clientId, members }: Operation,
): boolean {
  if (action !== 'invite' || memberLimit === null) return false;
  const invited = members.length === 0 ? [clientId] : members;
  const added = new Set(invited.filter((id) => !roles.has(id))).size;
  return added > 0 && memberCount + added > memberLimit;
}

/** Those whose bans count: the client itself, whatever it asks, and whom it would bring into a conversation. */
export function mustNotBeBanned({ action, clientId, members }: Operation): readonly string[] {
  return action === 'conversion' || action === 'invite' ? [clientId, ...members] : [clientId];
}

/** Whether bans refuse the operation, whatever the rules of the conversation. @param banned who of those is. */
export function refusedByBan(
  operation: Operation,
  banned: ReadonlySet<string>,
): 'client_banned' | 'member_banned' | undefined {
  if (banned.has(operation.clientId)) return 'client_banned';
  return mustNotBeBanned(operation).some((id) => banned.has(id)) ? 'member_banned' : undefined;
}

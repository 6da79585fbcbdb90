import { ProblemError } from '../problems/problem-error.js';

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

/** Whether the rules of conversations count in an app: `apps.membership`. */
export type Membership = 'off' | 'where-registered' | 'required';

export type Role = 'owner' | 'manager' | 'member';

/** The ranks of DESIGN, "Who may do what"; a client that is no member ranks with anyone. */
const RANK = { owner: 3, manager: 2, member: 1, anyone: 0 } as const;

/** A registered conversation. */
export interface Conversation {
  readonly joinRule: 'anyone' | 'invited';
  readonly inviteRule: Role | 'anyone';
  readonly kickRule: Role | 'anyone';
  /** Null: no limit. */
  readonly memberLimit: number | null;
  /** The members there are, or `memberLimit` if that is less; null where they were not counted. */
  readonly memberCount: number | null;
}

/** What is known of one client. */
export interface Standing {
  readonly banned: boolean;
  /** In the conversation, 0 to 3 as in `RANK`; 0 where no rules count. */
  readonly rank: number;
}

/** What a decision rests on. */
export interface Facts {
  /** Null where it is not registered, or no rules count. */
  readonly conversation: Conversation | null;
  readonly client: Standing;
  /** Of the members named, in their order. */
  readonly members: readonly Standing[];
}

export type Decision =
  'allowed' | 'client_banned' | 'member_banned' | 'not_permitted' | 'conversation_unknown' | 'conversation_full';

interface Ranks {
  readonly rank: number;
  /** Of the members named, without the client itself. */
  readonly others: readonly number[];
}

/** DESIGN, "Who may do what": what is asked, and when it is allowed. */
const PERMISSIONS = {
  join: ({ joinRule }, { rank }) => rank >= RANK.member || joinRule === 'anyone',
  inviteOthers: ({ inviteRule }, { rank }) => rank >= RANK[inviteRule],
  leave: () => true,
  kickOthers: ({ kickRule }, { rank, others }) => rank >= RANK[kickRule] && others.every((other) => rank > other),
} as const satisfies Record<string, (conversation: Conversation, ranks: Ranks) => boolean>;

/**
 * The permissions that an operation needs; none for an action that is not in a conversation.
 *
 * The own id among others needs two: an operation may do what its parts may do one by one. So nobody joins a conversation
 * for the invited by inviting a friend along, and a manager may leave and take a member along, though nobody ranks above itself.
 */
function requiredPermissions({ action, clientId, members }: Operation): (keyof typeof PERMISSIONS)[] {
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
 * Whether the decision depends on the conversation. Leaving is allowed wherever the conversation is registered, so it only does
 * where unregistered ones are refused.
 */
export function isRuled(operation: Operation, membership: Membership): boolean {
  if (membership === 'off') return false;
  return requiredPermissions(operation).some((permission) => permission !== 'leave' || membership === 'required');
}

/** Whether the operation brings clients into a conversation that is there. */
export function addsMembers({ action }: Operation): boolean {
  return action === 'invite';
}

/** Whether the members have to be counted before anything can be decided. */
export function needsCount(operation: Operation, { conversation, ...facts }: Facts): boolean {
  const limit = conversation?.memberLimit ?? null;
  if (limit === null || conversation?.memberCount !== null) return false;
  return addsMembers(operation) && countAdded(operation, facts) > 0;
}

/** Whether bans and the rules of the conversation let the client do it. */
export function decide(operation: Operation, membership: Membership, facts: Facts): Decision {
  const { conversation, client, members } = facts;
  if (client.banned) return 'client_banned';
  if (mustNotBeBanned(operation) && members.some(({ banned }) => banned)) return 'member_banned';
  if (!isRuled(operation, membership)) return 'allowed';
  if (conversation === null) return membership === 'required' ? 'conversation_unknown' : 'allowed';
  const ranks = ranksIn(operation, facts);
  const permitted = requiredPermissions(operation).every((permission) => PERMISSIONS[permission](conversation, ranks));
  if (!permitted) return 'not_permitted';
  return exceedsLimit(operation, conversation, facts) ? 'conversation_full' : 'allowed';
}

/** @throws {ProblemError} with the decision as its code, unless the operation is allowed. */
export function requireAllowed(operation: Operation, membership: Membership, facts: Facts): void {
  const decision = decide(operation, membership, facts);
  if (decision !== 'allowed') throw new ProblemError(decision, DETAILS[decision](facts));
}

const DETAILS = {
  client_banned: () => 'The client is banned from this app; nothing is signed for it.',
  member_banned: ({ members }) => {
    const first = members.findIndex(({ banned }) => banned) + 1;
    return `Member id ${first} is banned from this app and cannot be brought into a conversation.`;
  },
  not_permitted: () => 'The rules of the conversation do not let the client do this.',
  conversation_unknown: () => 'The app asks for registered conversations, and this one is not.',
  conversation_full: () => 'There would be more members than the conversation may have.',
} as const satisfies Record<Exclude<Decision, 'allowed'>, (facts: Facts) => string>;

/** Whether the bans of the members named count: of those who would be brought into a conversation. */
function mustNotBeBanned({ action }: Operation): boolean {
  return action === 'conversion' || action === 'invite';
}

function ranksIn({ clientId, members }: Operation, { client, members: standings }: Facts): Ranks {
  const others = standings.filter((_, i) => members[i] !== clientId).map(({ rank }) => rank);
  return { rank: client.rank, others };
}

/** Members who are invited again take no place; a limit that was lowered below the members there are drives nobody out. */
function exceedsLimit(
  operation: Operation,
  { memberLimit, memberCount }: Conversation,
  facts: Pick<Facts, 'client' | 'members'>,
): boolean {
  if (!addsMembers(operation) || memberLimit === null) return false;
  const added = countAdded(operation, facts);
  return added > 0 && (memberCount ?? Infinity) + added > memberLimit;
}

/** How many would be members who are not yet, each counted once. */
function countAdded({ members }: Operation, { client, members: standings }: Pick<Facts, 'client' | 'members'>): number {
  if (members.length === 0) return client.rank === RANK.anyone ? 1 : 0;
  return new Set(members.filter((_, i) => standings[i]?.rank === RANK.anyone)).size;
}

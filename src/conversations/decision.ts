import { type ProblemCode, ProblemError } from '../problems/problem-error.js';

/** What a client asks to do; every action that can be signed. */
export interface Operation {
  readonly action: 'login' | 'conversion' | 'invite' | 'kick';
  readonly appId: string;
  readonly clientId: string;
  /** Empty for an action outside conversations. */
  readonly conversationId: string;
  /** May repeat an id, and may include the client's own. */
  readonly members: readonly string[];
}

/** Whether conversation rules apply in an app: `apps.membership`. */
export type Membership = 'off' | 'where-registered' | 'required';

export type Role = 'owner' | 'manager' | 'member';

/** The ranks of DESIGN, "Who may do what"; a client that is no member ranks as anyone. */
const RANK = { owner: 3, manager: 2, member: 1, anyone: 0 } as const;

/** A registered conversation. */
export interface Conversation {
  readonly joinRule: 'anyone' | 'invited';
  readonly inviteRule: Role | 'anyone';
  readonly kickRule: Role | 'anyone';
  /** Null: no limit. */
  readonly memberLimit: number | null;
  /** The number of members, at most `memberLimit`; null: not counted. */
  readonly memberCount: number | null;
}

/** What a decision needs to know of one client; its rank is 0 to 3 as in `RANK`, and 0 where no rules apply. */
export type Standing = Readonly<{ banned: boolean; rank: number }>;

/** What a decision rests on. */
export interface Facts {
  /** Null: not registered, or no rules apply. */
  readonly conversation: Conversation | null;
  readonly client: Standing;
  /** One for each of the operation's members, in their order. */
  readonly members: readonly Standing[];
}

/** DESIGN, "Who may do what". */
const PERMISSIONS = {
  join: ({ joinRule }, _, { client }) => joinRule === 'anyone' || client.rank >= RANK.member,
  inviteOthers: ({ inviteRule }, _, { client }) => client.rank >= RANK[inviteRule],
  leave: () => true,
  kickOthers: ({ kickRule }, { clientId, members }, { client, members: standings }) =>
    client.rank >= RANK[kickRule] && standings.every(({ rank }, i) => client.rank > rank || members[i] === clientId),
} as const satisfies Record<string, (conversation: Conversation, operation: Operation, facts: Facts) => boolean>;

/**
 * The permissions that an operation needs; none for an action outside conversations. A list with the own id and others needs
 * two, so that nobody joins an invite-only conversation by inviting a friend along.
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

/** Whether the decision depends on the conversation. Leaving is refused only where the app requires registration. */
export function needsRules(operation: Operation, membership: Membership): boolean {
  if (membership === 'off') return false;
  return requiredPermissions(operation).some((permission) => permission !== 'leave' || membership === 'required');
}

/** Whether the operation adds members to an existing conversation. */
export function addsMembers({ action }: Operation): boolean {
  return action === 'invite';
}

/** Whether the members must be counted before a decision. */
export function needsCount(operation: Operation, facts: Facts): boolean {
  const limit = facts.conversation?.memberLimit ?? null;
  return limit !== null && facts.conversation?.memberCount === null && countAdded(operation, facts) > 0;
}

/** Whether bans and the rules of the conversation allow the operation. */
export function decide(operation: Operation, membership: Membership, facts: Facts): Decision {
  const { conversation, client, members } = facts;
  if (client.banned) return 'client_banned';
  const bringsIn = operation.action === 'conversion' || operation.action === 'invite';
  if (bringsIn && members.some(({ banned }) => banned)) return 'member_banned';
  if (!needsRules(operation, membership)) return 'allowed';
  if (conversation === null) return membership === 'required' ? 'conversation_unknown' : 'allowed';
  const needed = requiredPermissions(operation);
  if (!needed.every((permission) => PERMISSIONS[permission](conversation, operation, facts))) return 'not_permitted';
  const { memberLimit, memberCount } = conversation;
  if (memberLimit === null) return 'allowed';
  const added = countAdded(operation, facts);
  // Inviting only members is allowed even where the limit was lowered below their number.
  return added > 0 && (memberCount ?? Infinity) + added > memberLimit ? 'conversation_full' : 'allowed';
}

/** @throws {ProblemError} with the decision as its code, unless the operation is allowed. */
export function requireAllowed(operation: Operation, membership: Membership, facts: Facts): void {
  const decision = decide(operation, membership, facts);
  if (decision !== 'allowed') throw new ProblemError(decision, DETAILS[decision](facts));
}

const DETAILS = {
  client_banned: () => 'The client is banned from this app; nothing is signed for it.',
  member_banned: ({ members }) =>
    `Member id ${members.findIndex(({ banned }) => banned) + 1} is banned from this app and cannot be added to a conversation.`,
  not_permitted: () => 'The rules of the conversation do not let the client do this.',
  conversation_unknown: () => 'The app asks for registered conversations, and this one is not.',
  conversation_full: () => 'There would be more members than the conversation may have.',
} as const satisfies Partial<Record<ProblemCode, (facts: Facts) => string>>;

/** The code of the refusal, if any. */
export type Decision = 'allowed' | keyof typeof DETAILS;

/** How many clients the operation would make members, each counted once. */
function countAdded(operation: Operation, { client, members: standings }: Facts): number {
  if (!addsMembers(operation)) return 0;
  if (operation.members.length === 0) return client.rank === RANK.anyone ? 1 : 0;
  return new Set(operation.members.filter((_, i) => standings[i]?.rank === RANK.anyone)).size;
}

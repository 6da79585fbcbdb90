import { type ProblemCode, ProblemError, type Rule } from '../problems/problem-error.js';

/** What a client asks to do. */
export interface Operation {
  readonly action: keyof typeof REQUIREMENTS;
  readonly appId: string;
  readonly clientId: string;
  /** Empty for an action outside conversations. */
  readonly conversationId: string;
  /** May repeat an id, and may include the client's own. */
  readonly members: readonly string[];
}

/** Whether conversation rules apply in an app: `apps.membership`. */
export type Membership = 'off' | 'where-registered' | 'required';

/** How they apply in an app: columns of `apps`. */
export interface Policy {
  readonly membership: Membership;
  /** `shadow`: what the rules refuse is signed, and counted. */
  readonly membershipMode: 'shadow' | 'enforce';
}

export type Role = 'owner' | 'manager' | 'member';

/** The ranks of docs/design.md, "Who may do what"; a client that is no member ranks as anyone. */
export const RANK = { owner: 3, manager: 2, member: 1, anyone: 0 } as const;

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

/** One thing that an operation asks for; `rule` and `refusal` say why not, to a caller who may know. */
interface Permission {
  readonly allows: (conversation: Conversation, operation: Operation, facts: Facts) => boolean;
  readonly rule?: Rule;
  readonly refusal?: string;
}

/** docs/design.md, "Who may do what". */
export const PERMISSIONS = {
  join: {
    allows: ({ joinRule }, _, { client }) => joinRule === 'anyone' || client.rank >= RANK.member,
    rule: 'join_rule',
    refusal: 'The join_rule of the conversation does not let the client join.',
  },
  inviteOthers: {
    allows: ({ inviteRule }, _, { client }) => client.rank >= RANK[inviteRule],
    rule: 'invite_rule',
    refusal: 'The invite_rule of the conversation does not let the client invite others.',
  },
  /** To leave, or to keep a conversation off one's own list. */
  always: { allows: () => true },
  kickOthers: {
    allows: ({ kickRule }, _, { client }) => client.rank >= RANK[kickRule],
    rule: 'kick_rule',
    refusal: 'The kick_rule of the conversation does not let the client remove or block others.',
  },
  outrankOthers: {
    allows: (_, { clientId, members }, { client, members: standings }) =>
      standings.every(({ rank }, i) => client.rank > rank || members[i] === clientId),
    rule: 'kick_rule',
    refusal: 'The client may remove only those who rank below it.',
  },
  /** Nobody ranks below itself: unlike leaving, to block oneself is to act on a member of the own rank. */
  outrankAll: {
    allows: (_, __, { client, members }) => members.every(({ rank }) => client.rank > rank),
    rule: 'kick_rule',
    refusal: 'The client may block or unblock only those who rank below it.',
  },
  read: {
    allows: (_, __, { client }) => client.rank >= RANK.member,
    refusal: 'Only members of the conversation may read its history.',
  },
} as const satisfies Record<string, Permission>;

/** What an action asks of the bans and rules. */
interface Requirements {
  /** Which conversation its members come into, if any. */
  readonly bringsInto: 'none' | 'a new one' | 'this one';
  /** The permissions it needs, by whether its list names the client itself, and others; none outside conversations. */
  readonly needs: (own: boolean, others: boolean) => readonly (keyof typeof PERMISSIONS)[];
}

/**
 * Every action that can be signed. A list with the own id and others asks for two things, so that nobody joins an invite-only
 * conversation by inviting a friend along.
 */
const REQUIREMENTS = {
  login: { bringsInto: 'none', needs: () => [] },
  conversion: { bringsInto: 'a new one', needs: () => [] },
  invite: {
    bringsInto: 'this one',
    needs: (own, others) => (!others ? ['join'] : own ? ['join', 'inviteOthers'] : ['inviteOthers']),
  },
  kick: {
    bringsInto: 'none',
    needs: (own, others) => {
      if (!own) return ['kickOthers', 'outrankOthers'];
      return others ? ['always', 'kickOthers', 'outrankOthers'] : ['always'];
    },
  },
  query: { bringsInto: 'none', needs: () => ['read'] },
  'client-block-conversations': { bringsInto: 'none', needs: () => ['always'] },
  'client-unblock-conversations': { bringsInto: 'none', needs: () => ['always'] },
  'conversation-block-clients': { bringsInto: 'none', needs: () => ['kickOthers', 'outrankAll'] },
  'conversation-unblock-clients': { bringsInto: 'none', needs: () => ['kickOthers', 'outrankAll'] },
} as const satisfies Record<string, Requirements>;

function requirementsOf({ action }: Operation): Requirements {
  return REQUIREMENTS[action];
}

/** What the operation needs to be permitted where rules count, in the order in which it is checked. */
export function requiredPermissions(operation: Operation): readonly (keyof typeof PERMISSIONS)[] {
  const { clientId, members } = operation;
  const others = members.some((member) => member !== clientId);
  return requirementsOf(operation).needs(members.includes(clientId), others);
}

/** The first permission that the operation needs and the rules of the conversation do not give. */
function missingPermission(operation: Operation, facts: Facts): Permission | undefined {
  const { conversation } = facts;
  if (conversation === null) return undefined;
  const missing = requiredPermissions(operation).find(
    (name) => !PERMISSIONS[name].allows(conversation, operation, facts),
  );
  return missing && PERMISSIONS[missing];
}

/** Whether the decision depends on the conversation. Leaving, and blocking for oneself, are refused only where the app requires registration. */
export function needsRules(operation: Operation, membership: Membership): boolean {
  if (membership === 'off') return false;
  return requiredPermissions(operation).some((permission) => permission !== 'always' || membership === 'required');
}

/** Whether the operation adds members to an existing conversation. */
export function addsMembers(operation: Operation): boolean {
  return requirementsOf(operation).bringsInto === 'this one';
}

/** Whether the members come into a conversation, new or not. */
export function bringsIn(operation: Operation): boolean {
  return requirementsOf(operation).bringsInto !== 'none';
}

/** Whether the members must be counted before a decision. */
export function needsCount(operation: Operation, facts: Facts): boolean {
  const limit = facts.conversation?.memberLimit ?? null;
  return limit !== null && facts.conversation?.memberCount === null && countAdded(operation, facts) > 0;
}

/** Whether the operation would lead to more members than the conversation may have. */
function exceedsLimit(operation: Operation, facts: Facts): boolean {
  const { memberLimit = null, memberCount = null } = facts.conversation ?? {};
  if (memberLimit === null) return false;
  const added = countAdded(operation, facts);
  // Inviting only members is allowed even where the limit was lowered below their number.
  return added > 0 && (memberCount ?? Infinity) + added > memberLimit;
}

/** What can refuse an operation, in the order in which it is checked. */
export const CHECKS: readonly Check[] = [
  { refusal: 'client_banned', refuses: (_, __, { client }) => client.banned },
  {
    refusal: 'member_banned',
    refuses: (operation, _, { members }) => bringsIn(operation) && members.some(({ banned }) => banned),
  },
  {
    refusal: 'conversation_unknown',
    refuses: (operation, membership, { conversation }) =>
      conversation === null && membership === 'required' && needsRules(operation, membership),
  },
  {
    refusal: 'not_permitted',
    refuses: (operation, membership, facts) =>
      needsRules(operation, membership) && missingPermission(operation, facts) !== undefined,
  },
  {
    refusal: 'conversation_full',
    refuses: (operation, membership, facts) => needsRules(operation, membership) && exceedsLimit(operation, facts),
  },
];

interface Check {
  readonly refusal: Refusal;
  readonly refuses: (operation: Operation, membership: Membership, facts: Facts) => boolean;
}

/** Whether bans and the rules of the conversation allow the operation. */
export function decide(operation: Operation, membership: Membership, facts: Facts): Decision {
  return CHECKS.find(({ refuses }) => refuses(operation, membership, facts))?.refusal ?? 'allowed';
}

/** What becomes of a decision: in shadow mode, of refusals only those by bans count. */
export function enforced(decision: Decision, { membershipMode }: Policy): Decision {
  if (membershipMode === 'enforce' || decision === 'client_banned' || decision === 'member_banned') return decision;
  return 'allowed';
}

/** Which refusals this operation can meet, whatever the rows are. */
export function possibleRefusals(operation: Operation): Readonly<Record<Refusal, boolean>> {
  return {
    client_banned: true,
    member_banned: bringsIn(operation) && operation.members.length > 0,
    not_permitted: needsRules(operation, 'where-registered'),
    conversation_unknown: needsRules(operation, 'required'),
    conversation_full: addsMembers(operation),
  };
}

/** The example of `not_permitted` in the API document: the first permission that the operation needs. */
export function exampleOfNotPermitted(operation: Operation): Permission {
  return PERMISSIONS[requiredPermissions(operation)[0] ?? 'always'];
}

/**
 * @param isCallerProven whether a token proves who asks: such a caller is told which rule refused.
 * @returns the refusal that shadow mode keeps back, if any.
 * @throws {ProblemError} with the decision as its code, unless the operation is allowed.
 */
export function requireAllowed(
  operation: Operation,
  policy: Policy,
  facts: Facts,
  isCallerProven: boolean,
): Refusal | undefined {
  const decision = decide(operation, policy.membership, facts);
  if (decision === 'allowed') return undefined;
  if (enforced(decision, policy) === 'allowed') return decision;
  const missing = decision === 'not_permitted' && isCallerProven ? missingPermission(operation, facts) : undefined;
  throw new ProblemError(decision, missing?.refusal ?? DETAILS[decision](facts), { rule: missing?.rule });
}

/** How each refusal is worded where no rule is named. */
const DETAILS = {
  client_banned: () => 'The client is banned from this app; nothing is signed for it.',
  member_banned: ({ members }) =>
    `Member id ${members.findIndex(({ banned }) => banned) + 1} is banned from this app and cannot be added to a conversation.`,
  not_permitted: () => 'The rules of the conversation do not let the client do this.',
  conversation_unknown: () => 'The app asks for registered conversations, and this one is not.',
  conversation_full: () => 'There would be more members than the conversation may have.',
} as const satisfies Partial<Record<ProblemCode, (facts: Facts) => string>>;

export type Refusal = keyof typeof DETAILS;
export const REFUSALS = Object.keys(DETAILS) as Refusal[];
/** The code of the refusal, if any. */
export type Decision = 'allowed' | Refusal;

/** How many clients the operation would make members, each counted once. */
export function countAdded(operation: Operation, { client, members: standings }: Facts): number {
  if (!addsMembers(operation)) return 0;
  if (operation.members.length === 0) return client.rank === RANK.anyone ? 1 : 0;
  return new Set(operation.members.filter((_, i) => standings[i]?.rank === RANK.anyone)).size;
}

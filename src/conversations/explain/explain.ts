import {
  addsMembers,
  bringsIn,
  CHECKS,
  type Conversation,
  countAdded,
  decide,
  type Decision,
  needsRules,
  PERMISSIONS,
  RANK,
  type Refusal,
  requiredPermissions,
} from '../decision.js';
import { leastChanges } from './changes.js';
import { isOutranked, type Situation } from './situation.js';

/** A check of the decision. */
export interface ExplainedCheck {
  /** The code of its refusal. */
  readonly check: Refusal;
  /** Null: an earlier one refused. */
  readonly passed: boolean | null;
  /** What it rests on. */
  readonly read: string;
}

export interface Explanation {
  readonly decision: Decision;
  /** In the order in which they are made. */
  readonly checks: readonly ExplainedCheck[];
  /** What would allow it, each alone. */
  readonly changes: readonly string[];
}

/** Explains what `decide` decides: by the same checks, in the same order. */
export function explain(situation: Situation): Explanation {
  const { operation, membership, facts } = situation;
  const decision = decide(operation, membership, facts);
  const decisive = CHECKS.findIndex(({ refusal }) => refusal === decision);
  const checks = CHECKS.map(({ refusal }, i): ExplainedCheck => {
    const passed = decisive === -1 || i < decisive ? true : i === decisive ? false : null;
    return { check: refusal, passed, read: READ[refusal](situation) };
  });
  return { decision, checks, changes: decision === 'allowed' ? [] : leastChanges(situation) };
}

const ROLES = ['no member', 'member', 'manager', 'owner'];

function roleOf(id: string, rank: number): string {
  return `"${id}" is ${ROLES[rank] ?? ''}`;
}

const READ: Record<Refusal, (situation: Situation) => string> = {
  client_banned: ({ operation, facts }) => `"${operation.clientId}" is ${facts.client.banned ? '' : 'not '}banned`,
  member_banned: ({ operation, facts }) => {
    if (!bringsIn(operation)) return 'the action brings nobody in';
    const banned = operation.members.filter((_, i) => facts.members[i]?.banned);
    return banned.length === 0 ? 'no member is banned' : `banned: ${banned.map((id) => `"${id}"`).join(', ')}`;
  },
  conversation_unknown: (situation) => {
    const { operation, facts } = situation;
    const noRules = withoutRules(situation);
    if (noRules !== undefined) return noRules;
    return `"${operation.conversationId}" is ${facts.conversation === null ? 'not ' : ''}registered`;
  },
  not_permitted: (situation) => {
    const { operation, facts } = situation;
    const { conversation } = facts;
    if (conversation === null) return withoutRules(situation) ?? 'there is no rule';
    const needed = requiredPermissions(operation);
    const missing = needed.find((name) => !PERMISSIONS[name].allows(conversation, operation, facts));
    return (missing === undefined ? needed : [missing])
      .map((name) => PERMISSION[name](situation, conversation))
      .join('; ');
  },
  conversation_full: ({ operation, facts }) => {
    if (!addsMembers(operation)) return 'the action adds nobody';
    const { memberLimit = null, memberCount = null } = facts.conversation ?? {};
    if (memberLimit === null) return 'there is no member_limit';
    return `member_limit is ${memberLimit}, there are ${memberCount ?? 'uncounted'} members, ${countAdded(operation, facts)} would be added`;
  },
};

/** Why no rule counts; undefined where rules do. */
function withoutRules({ operation, membership }: Situation): string | undefined {
  if (membership === 'off') return 'the membership of the app is off: no rules count';
  return needsRules(operation, membership) ? undefined : 'the action asks nothing of the rules';
}

const PERMISSION: Record<keyof typeof PERMISSIONS, (situation: Situation, conversation: Conversation) => string> = {
  join: ({ operation, facts }, { joinRule }) =>
    `${roleOf(operation.clientId, facts.client.rank)}, join_rule is ${joinRule}`,
  inviteOthers: ({ operation, facts }, { inviteRule }) =>
    `${roleOf(operation.clientId, facts.client.rank)}, invite_rule is ${inviteRule}`,
  always: () => 'everybody may',
  kickOthers: ({ operation, facts }, { kickRule }) =>
    `${roleOf(operation.clientId, facts.client.rank)}, kick_rule is ${kickRule}`,
  outrankOthers: (situation) => ranks(situation, (id) => id !== situation.operation.clientId),
  outrankAll: (situation) => ranks(situation, () => true),
  read: ({ operation, facts }) => `${roleOf(operation.clientId, facts.client.rank)}, members may read`,
};

/** The first target that does not rank below the client, or else that all do. */
function ranks(situation: Situation, counts: (id: string) => boolean): string {
  const { operation, facts } = situation;
  const client = roleOf(operation.clientId, facts.client.rank);
  const above = operation.members.findIndex((id, i) => counts(id) && !isOutranked(situation, i));
  if (above === -1) return `${client}, above every target`;
  return `${client}, ${roleOf(operation.members[above] ?? '', facts.members[above]?.rank ?? RANK.anyone)}: not below`;
}

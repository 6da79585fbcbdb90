import { type Conversation, countAdded, decide, RANK, type Role } from '../decision.js';
import {
  type Situation,
  supposeBanned,
  supposeConversation,
  supposeMembersAtMost,
  supposeNoMemberBanned,
  supposeRole,
  type Supposition,
} from './situation.js';

/** A change of rows, in words that follow "to allow it:". */
type Change = readonly [text: string, supposition: Supposition];

/** Changes that are proposed; more would hide the ones that come first. */
const MAX_PROPOSED = 4;
/** Changes that are made together at most: two bans, a role and a limit can stand in the way of an invitation. */
const MAX_TOGETHER = 4;
/** Clients that a change names one by one. */
const MAX_NAMED = 3;

/**
 * The least changes that would allow an operation: as few together as do, each as small as it can be. Every proposal was judged.
 *
 * @returns none where the operation is allowed, or no change of rows allows it.
 */
export function leastChanges(situation: Situation): string[] {
  const kinds = kindsOf(situation);
  for (let together = 1; together <= MAX_TOGETHER; together++) {
    const found = choices(kinds, together).flatMap((chosen) => leastOf(situation, chosen) ?? []);
    if (found.length > 0) return found.slice(0, MAX_PROPOSED);
  }
  return [];
}

/** The changes that could help, by kind, and in each kind the least first. */
function kindsOf({ operation, facts }: Situation): Change[][] {
  const { clientId, conversationId, members } = operation;
  const { client, conversation } = facts;
  const roles = (['member', 'manager', 'owner'] as const).filter((role) => RANK[role] > client.rank);
  const rule = (column: string, field: keyof Conversation, value: Conversation[typeof field]): Change => [
    `set ${column} to ${value ?? 'null'}`,
    supposeConversation({ [field]: value }),
  ];
  const looser = (now: Role | 'anyone'): (Role | 'anyone')[] =>
    (['manager', 'member', 'anyone'] as const).filter((value) => RANK[value] < RANK[now]);
  const banned = named(members.filter((_, i) => facts.members[i]?.banned));
  const above = (role: 'manager' | 'member'): Change[] => {
    const ids = named(members.filter((id, i) => id !== clientId && (facts.members[i]?.rank ?? 0) > RANK[role]));
    return ids === undefined ? [] : [[`make ${ids} no more than ${role}`, supposeMembersAtMost(role)]];
  };
  const room = (conversation?.memberCount ?? 0) + countAdded(operation, facts);
  const rules: Change[][] = conversation
    ? [
        [rule('join_rule', 'joinRule', 'anyone')],
        looser(conversation.inviteRule).map((value) => rule('invite_rule', 'inviteRule', value)),
        looser(conversation.kickRule).map((value) => rule('kick_rule', 'kickRule', value)),
        // One more where the client has to be made a member, too.
        [room, room + 1].map((limit) => rule('member_limit', 'memberLimit', limit)),
      ]
    : [];
  return [
    conversation ? [] : [[`register the conversation "${conversationId}"`, supposeConversation()]],
    [[`lift the ban of "${clientId}"`, supposeBanned(false)]],
    banned === undefined ? [] : [[`lift the ban of ${banned}`, supposeNoMemberBanned]],
    roles.map((role): Change => [
      `make "${clientId}" ${role === 'owner' ? 'an' : 'a'} ${role}`,
      inRegistered(supposeRole(role)),
    ]),
    [...above('manager'), ...above('member')],
    ...rules,
  ];
}

/** A member is one of a registered conversation. */
const inRegistered =
  (supposition: Supposition): Supposition =>
  (situation) =>
    situation.facts.conversation === null ? situation : supposition(situation);

/** @returns undefined where there is none. */
function named(ids: readonly string[]): string | undefined {
  const distinct = [...new Set(ids)];
  if (distinct.length === 0) return undefined;
  const shown = distinct.slice(0, MAX_NAMED).map((id) => `"${id}"`);
  const more = distinct.length - shown.length;
  return more === 0 ? shown.join(' and ') : `${shown.join(', ')} and ${more} more`;
}

/** All ways to take some of the kinds, in their order. */
function choices(kinds: readonly Change[][], count: number): Change[][][] {
  if (count === 0) return [[]];
  return kinds.flatMap((kind, i) => choices(kinds.slice(i + 1), count - 1).map((rest) => [kind, ...rest]));
}

/** The least change of each kind with which the operation is allowed; undefined where it is not. */
function leastOf(situation: Situation, [kind, ...others]: Change[][]): string | undefined {
  if (kind === undefined) {
    const { operation, membership, facts } = situation;
    return decide(operation, membership, facts) === 'allowed' ? '' : undefined;
  }
  for (const [text, supposition] of kind) {
    const rest = leastOf(supposition(situation), others);
    if (rest !== undefined) return rest === '' ? text : `${text}, and ${rest}`;
  }
  return undefined;
}

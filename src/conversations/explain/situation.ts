import {
  type Conversation,
  type Facts,
  type Membership,
  type Operation,
  RANK,
  type Role,
  type Standing,
} from '../decision.js';

/** What is judged, and all that the judgement rests on. */
export interface Situation {
  readonly operation: Operation;
  readonly membership: Membership;
  readonly facts: Facts;
}

/** One thing about a situation that is otherwise. */
export type Supposition = (situation: Situation) => Situation;

/** What the table gives a conversation that is registered without more. */
const REGISTERED: Conversation = {
  joinRule: 'invited',
  inviteRule: 'member',
  kickRule: 'manager',
  memberLimit: null,
  memberCount: 0,
};

export const supposeMembership =
  (membership: Membership): Supposition =>
  (situation) => ({ ...situation, membership });

/** Registers the conversation, where it is not, and gives it other rules. */
export const supposeConversation =
  (rules: Partial<Conversation> = {}): Supposition =>
  (situation) => {
    const { facts } = situation;
    return { ...situation, facts: { ...facts, conversation: { ...(facts.conversation ?? REGISTERED), ...rules } } };
  };

export const supposeUnregistered: Supposition = (situation) => {
  const withoutRank = ({ banned }: Standing): Standing => ({ banned, rank: RANK.anyone });
  const { client, members } = situation.facts;
  return {
    ...situation,
    facts: { conversation: null, client: withoutRank(client), members: members.map(withoutRank) },
  };
};

/** Gives the client another role in the conversation; null: it is no member. */
export const supposeRole =
  (role: Role | null): Supposition =>
  (situation) => {
    const { operation, facts } = supposeConversation()(situation);
    const rank = RANK[role ?? 'anyone'];
    const { conversation, client } = facts;
    const more = Number(rank > RANK.anyone) - Number(client.rank > RANK.anyone);
    const count = conversation?.memberCount ?? null;
    return {
      ...situation,
      facts: {
        conversation: conversation && { ...conversation, memberCount: count === null ? null : count + more },
        client: { ...client, rank },
        members: facts.members.map((standing, i) =>
          operation.members[i] === operation.clientId ? { ...standing, rank } : standing,
        ),
      },
    };
  };

/** Gives the members that rank above a role that role. */
export const supposeMembersAtMost =
  (role: Role): Supposition =>
  (situation) => {
    const { operation, facts } = situation;
    const members = facts.members.map((standing, i) =>
      operation.members[i] === operation.clientId
        ? standing
        : { ...standing, rank: Math.min(standing.rank, RANK[role]) },
    );
    return { ...situation, facts: { ...facts, members } };
  };

export function isOutranked({ facts }: Situation, member: number): boolean {
  return facts.client.rank > (facts.members[member]?.rank ?? RANK.anyone);
}

/** Bans the client, or lifts its ban. */
export const supposeBanned =
  (banned: boolean): Supposition =>
  (situation) => {
    const { operation, facts } = situation;
    return {
      ...situation,
      facts: {
        ...facts,
        client: { ...facts.client, banned },
        members: facts.members.map((standing, i) =>
          operation.members[i] === operation.clientId ? { ...standing, banned } : standing,
        ),
      },
    };
  };

/** Lifts the bans of all members. */
export const supposeNoMemberBanned: Supposition = (situation) => {
  const members = situation.facts.members.map((standing) => ({ ...standing, banned: false }));
  return { ...situation, facts: { ...situation.facts, members } };
};

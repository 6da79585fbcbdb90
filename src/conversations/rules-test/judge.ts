import { type Decision, decide, type Facts, RANK, type Role, type Standing } from '../decision.js';
import type { ListedConversation, RulesFile, RulesTest } from './parse.js';

/** A client that a test names, and what the file says of it. */
export type Named = Readonly<{ clientId: string; role: Role | null; banned: boolean }>;

/** What is decided on a test, and the values that it rests on. */
export interface Verdict {
  readonly test: RulesTest;
  readonly decided: Decision;
  readonly isAsExpected: boolean;
  /** Null: not registered, or an action outside conversations. */
  readonly conversation: ListedConversation | null;
  /** The client and then the members, each once. */
  readonly named: readonly Named[];
}

/** Judges the tests of a file as the service would if its rows were in the tables. */
export function judge(file: RulesFile): Verdict[] {
  return file.tests.map((test) => verdictOn(test, file));
}

function verdictOn(test: RulesTest, { membership, conversations, bans }: RulesFile): Verdict {
  const { operation, expected } = test;
  const conversation = conversations.get(operation.conversationId) ?? null;
  const nameOf = (clientId: string): Named => ({
    clientId,
    role: conversation?.roles.get(clientId) ?? null,
    banned: bans.has(clientId),
  });
  const facts: Facts = {
    conversation: conversation && { ...conversation, memberCount: conversation.roles.size },
    client: standingOf(nameOf(operation.clientId)),
    members: operation.members.map((member) => standingOf(nameOf(member))),
  };
  const decided = decide(operation, membership, facts);
  const named = [...new Set([operation.clientId, ...operation.members])].map(nameOf);
  return { test, decided, isAsExpected: decided === expected, conversation, named };
}

function standingOf({ role, banned }: Named): Standing {
  return { banned, rank: RANK[role ?? 'anyone'] };
}

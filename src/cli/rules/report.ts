import type { Named, Verdict } from '../../conversations/rules-test/judge.js';
import type { ListedConversation, RulesFile, RulesTest } from '../../conversations/rules-test/parse.js';
import { harmless, type Io } from '../io.js';

/** Clients that the text for people names. */
const MAX_NAMED = 10;

/** Prints a line for each test, with what a decision rests on where it is not the expected one. */
export function printVerdicts(io: Io, file: string, { membership }: RulesFile, verdicts: readonly Verdict[]): void {
  for (const verdict of verdicts) {
    const { test, decided, isAsExpected } = verdict;
    const { line, column } = test.place;
    if (isAsExpected) {
      // A misspelt conversation would be one that is not registered, where most is allowed.
      io.print(harmless(`✓ ${titleOf(test)}${isUnregistered(verdict) ? ` (${conversationLine(verdict)})` : ''}`));
      continue;
    }
    io.print(io.warning(`✗ ${file}:${line}:${column}: ${harmless(titleOf(test))}`));
    io.print(`    expected ${test.expected}, decided ${decided}`);
    io.print(`    ${harmless(clientsLine(verdict))}`);
    if (test.operation.conversationId !== '') {
      io.print(`    ${harmless(conversationLine(verdict))}`);
      io.print(`    membership ${membership}`);
    }
  }
  const failed = verdicts.filter(({ isAsExpected }) => !isAsExpected).length;
  const counted = `${verdicts.length} ${verdicts.length === 1 ? 'test' : 'tests'}: ${verdicts.length - failed} as expected`;
  if (failed === 0) io.printSuccess(counted);
  else io.print(io.warning(`${counted}, ${failed} not`));
}

/** The same for programs, with the names of the tables. */
export function asJson(file: string, { membership }: RulesFile, verdicts: readonly Verdict[]): object {
  return {
    file,
    membership,
    as_expected: verdicts.every(({ isAsExpected }) => isAsExpected),
    tests: verdicts.map(({ test, decided, isAsExpected, conversation, named }) => ({
      name: test.name ?? null,
      ...test.place,
      client_id: test.operation.clientId,
      action: test.operation.action,
      conversation_id: test.operation.conversationId || null,
      members: test.operation.members,
      expected: test.expected,
      decided,
      as_expected: isAsExpected,
      conversation: conversation && { ...columnsOf(conversation), member_count: conversation.roles.size },
      clients: named.map(({ clientId, role, banned }) => ({ client_id: clientId, role, banned })),
    })),
  };
}

function titleOf({ name, operation, expected }: RulesTest): string {
  if (name !== undefined) return name;
  const { clientId, action, members, conversationId } = operation;
  const more = members.length > MAX_NAMED ? `, and ${members.length - MAX_NAMED} more` : '';
  const list = members.length === 0 ? '' : ` ${members.slice(0, MAX_NAMED).join(', ')}${more}`;
  return `${clientId}: ${action}${list}${conversationId === '' ? '' : ` in ${conversationId}`}: ${expected}`;
}

function clientsLine({ conversation, named }: Verdict): string {
  const more = named.length > MAX_NAMED ? `; and ${named.length - MAX_NAMED} more` : '';
  const clients = named.slice(0, MAX_NAMED).map((client) => clientText(client, conversation));
  return `${clients.join('; ')}${more}`;
}

function clientText({ clientId, role, banned }: Named, conversation: ListedConversation | null): string {
  if (banned) return `${clientId}: banned`;
  return `${clientId}: ${conversation === null ? 'not banned' : (role ?? 'no member')}`;
}

function isUnregistered({ test, conversation }: Verdict): boolean {
  return test.operation.conversationId !== '' && conversation === null;
}

function conversationLine({ test, conversation }: Verdict): string {
  const { conversationId } = test.operation;
  if (conversation === null) return `${conversationId} is not registered`;
  const columns = Object.entries(columnsOf(conversation)).map(([name, value]) => `${name} ${value ?? 'none'}`);
  return `${conversationId}: ${[...columns, `members ${conversation.roles.size}`].join(', ')}`;
}

function columnsOf({ joinRule, inviteRule, kickRule, memberLimit }: ListedConversation) {
  return { join_rule: joinRule, invite_rule: inviteRule, kick_rule: kickRule, member_limit: memberLimit };
}

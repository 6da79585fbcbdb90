import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { judge } from '../../../src/conversations/rules-test/judge.js';
import { parseRules } from '../../../src/conversations/rules-test/parse.js';
import { ACTIONS } from '../../../src/signature/actions.js';
import { type Case, CASES } from '../who-may-do-what.js';

/** The file that a person would write for an example of "Who may do what". */
function fileOf({ membership, action, members, rule, roles, expected }: Case): string {
  const takes = ACTIONS[action];
  return stringify({
    membership,
    ...(rule !== null && { conversations: { c1: { ...rule, members: roles } } }),
    tests: [
      {
        client: 'me',
        action,
        ...(takes.conversation && { conversation: 'c1' }),
        ...(takes.members !== 'none' && { members: members === '' ? [] : members.split(':') }),
        expect: expected,
      },
    ],
  });
}

it.each(CASES)('a test in a file is judged as the service decides: $name', (example) => {
  const [verdict] = judge(parseRules(fileOf(example), ACTIONS));
  expect(verdict).toMatchObject({ decided: example.expected, isAsExpected: true });
});

it.each([
  ['login', '', 'client_banned', 'me'],
  ['query', 'conversation: c1', 'client_banned', 'me'],
  ['conversion', 'members: [bob]', 'member_banned', 'bob'],
  ['invite', 'conversation: c1, members: [bob]', 'member_banned', 'bob'],
  ['kick', 'conversation: c1, members: [bob]', 'allowed', 'bob'],
])('a ban counts for %s { %s }: %s', (action, more, expected, banned) => {
  const conversations = 'conversations: { c1: { members: { me: owner } } }';
  const test = `{ client: me, action: ${action}, ${more}${more && ', '}expect: ${expected} }`;
  const text = `${conversations}\nbans: [${banned}]\ntests: [${test}]`;
  expect(judge(parseRules(text, ACTIONS))).toMatchObject([{ decided: expected, isAsExpected: true }]);
});

it('a decision that is not the expected one comes with the values that it rests on', () => {
  const text = `
bans: [eve]
conversations:
  c1: { member_limit: 5, members: { me: member, bob: manager } }
tests:
  - { client: me, action: kick, conversation: c1, members: [eve, bob, bob], expect: allowed }`;
  expect(judge(parseRules(text, ACTIONS))).toMatchObject([
    {
      decided: 'not_permitted',
      isAsExpected: false,
      conversation: { joinRule: 'invited', inviteRule: 'member', kickRule: 'manager', memberLimit: 5 },
      named: [
        { clientId: 'me', role: 'member', banned: false },
        { clientId: 'eve', role: null, banned: true },
        { clientId: 'bob', role: 'manager', banned: false },
      ],
    },
  ]);
});

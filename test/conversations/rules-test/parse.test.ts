import { describe, expect, it } from 'vitest';
import { parseRules, type RulesFile } from '../../../src/conversations/rules-test/parse.js';
import { FileFaults } from '../../../src/conversations/rules-test/yaml-reader.js';
import { ACTIONS } from '../../../src/signature/actions.js';

const parse = (text: string): RulesFile => parseRules(text, ACTIONS);

/** As "line:column: message". */
function faultsOf(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof FileFaults) return error.message.split('\n');
    throw error;
  }
  return [];
}

const LOGIN = 'tests: [{ client: a, action: login, expect: allowed }]';

describe('a file of rules', () => {
  it('takes ids as they are written, whatever they look like in YAML', () => {
    const ids = ['10001', 'no', '1e3', '0x1F', 'null', '~', '007', '1.0', '2026-11-26', 'true', '店'];
    const { bans, conversations, tests } = parse(`
bans: [${ids.join(', ')}]
conversations:
${ids.map((id) => `  ${id}: { members: { ${id}: owner, __proto__: member } }`).join('\n')}
tests:
${ids.map((id) => `  - { client: ${id}, action: invite, conversation: ${id}, members: [${id}], expect: allowed }`).join('\n')}`);
    expect([...bans]).toEqual(ids);
    expect([...conversations.keys()]).toEqual(ids);
    expect([...conversations.values()].map(({ roles }) => [...roles.keys()])).toEqual(
      ids.map((id) => [id, '__proto__']),
    );
    expect(tests.map(({ operation }) => [operation.clientId, operation.conversationId, ...operation.members])).toEqual(
      ids.map((id) => [id, id, id]),
    );
  });

  it('takes the defaults of the tables, also for a conversation with nothing below it', () => {
    const { membership, conversations } = parse(`conversations: { c1: {}, c2: { member_limit: null } }\n${LOGIN}`);
    expect(membership).toBe('where-registered');
    const defaults = {
      joinRule: 'invited',
      inviteRule: 'member',
      kickRule: 'manager',
      memberLimit: null,
      roles: new Map(),
    };
    expect([...conversations.values()]).toEqual([defaults, defaults]);
    expect(parse(`conversations:\n  c1:\n${LOGIN}`).conversations.get('c1')).toEqual(defaults);
  });

  it('may name a list once and use it again', () => {
    const { tests } = parse(`tests:
  - { client: a, action: conversion, members: &friends [b, c], expect: allowed }
  - { client: d, action: conversion, members: *friends, expect: allowed }`);
    expect(tests.map(({ operation }) => operation.members)).toEqual([
      ['b', 'c'],
      ['b', 'c'],
    ]);
  });

  it('takes a name for what it last stood for, however often it is used', () => {
    const uses = 30_000;
    const list = `[&who a, *who, &who b${', *who'.repeat(uses)}]`;
    const [test] = parse(`tests: [{ client: a, action: conversion, members: ${list}, expect: allowed }]`).tests;
    expect(test?.operation.members).toEqual(['a', 'a', 'b', ...Array<string>(uses).fill('b')]);
  });

  it.each([
    ['', '1:1: the file needs the field tests'],
    ['# nothing', '1:1: the file needs the field tests'],
    ['tests: []', '1:8: tests has no test'],
    ['tests:', '1:7: tests must be a list'],
    ['- a', '1:1: the file must be a map, name: value'],
    ['tests: [', '1:9: is no YAML that is understood here: Flow sequence in block collection must be sufficiently'],
    ['membership: a: b', '1:13: is no YAML that is understood here: Nested mappings are not allowed'],
    [`${LOGIN}\n---\n${LOGIN}`, '2:1: is no YAML that is understood here: there is more than one document'],
    [`bans: [!!int 5]\n${LOGIN}`, '1:8: is no YAML that is understood here: Unresolved tag'],
    [`bans: *them\n${LOGIN}`, '1:7: no anchor "them" is before this'],
    [`membrship: off\n${LOGIN}`, '1:1: the file has no field "membrship"; it has membership, conversations, bans'],
    [`"\\e[2J": off\n${LOGIN}`, '1:1: the file has no field "\\u001b[2J"; it has membership'],
    [`? [a]\n: off\n${LOGIN}`, '1:3: a name in the file must be a text'],
    [`membership: on\n${LOGIN}`, '1:13: membership must be off, where-registered or required, not "on"'],
    [`bans: mallory\n${LOGIN}`, '1:7: bans must be a list'],
    [`bans: [a, 'b:c']\n${LOGIN}`, '1:11: id 2 of bans contains ":", which separates the parts of the signed message'],
    [`bans: [[a]]\n${LOGIN}`, '1:8: id 1 of bans must be a text'],
    [`conversations: [c1]\n${LOGIN}`, '1:16: conversations must be a map'],
    [`conversations: { c1: { join: anyone } }\n${LOGIN}`, '1:24: the conversation "c1" has no field "join"'],
    [`conversations: { c1: {}, c1: {} }\n${LOGIN}`, '1:26: conversations has "c1" twice'],
    [`conversations: { ${'c'.repeat(65)}: {} }\n${LOGIN}`, '1:18: the conversation id has 65 characters, 64 are'],
    [
      `conversations: { c1: { join_rule: member } }\n${LOGIN}`,
      '1:35: join_rule must be anyone or invited, not "member"',
    ],
    [
      `conversations: { c1: { invite_rule: admin } }\n${LOGIN}`,
      '1:37: invite_rule must be anyone, member, manager or owner, not "admin"',
    ],
    [`conversations: { c1: { kick_rule: [owner] } }\n${LOGIN}`, '1:35: kick_rule must be a text'],
    ...['0', '-1', '1e3', '1.5', '2147483648', 'none', '""'].map((limit): [string, string] => [
      `conversations: { c1: { member_limit: ${limit} } }\n${LOGIN}`,
      '1:38: member_limit must be a whole number from 1 to 2147483647, or null for none',
    ]),
    [`conversations: { c1: { members: { a: owner, a: member } } }\n${LOGIN}`, '1:45: members has "a" twice'],
    [`conversations: { c1: { members: [a] } }\n${LOGIN}`, '1:33: members must be a map'],
    [
      `conversations: { c1: { members: { a: anyone } } }\n${LOGIN}`,
      '1:38: the role of "a" must be member, manager or owner, not "anyone"',
    ],
    [`conversations: { c1: { members: { a b: owner, '': member } } }\n${LOGIN}`, '1:47: the client id is empty'],
  ])('that is faulty is refused with the place: %j', (text, fault) => {
    const faults = faultsOf(text);
    expect(faults).toHaveLength(1);
    expect(faults[0]?.slice(0, fault.length)).toBe(fault);
  });

  it('is refused with all of its faults, in their order', () => {
    const text = `tests:
  - client: a:b
    acton: login
  - client: ok
    action: log-in
    expect: yes
bans: [""]
`;
    expect(faultsOf(text)).toEqual([
      '2:5: a test needs the field action',
      '2:5: a test needs the field expect',
      '2:13: client contains ":", which separates the parts of the signed message',
      '3:5: a test has no field "acton"; it has name, client, action, conversation, members, expect',
      expect.stringMatching(/^5:13: action must be login, conversion, invite, .*, not "log-in"$/),
      expect.stringMatching(/^6:13: expect must be allowed, client_banned, .*, not "yes"$/),
      '7:8: id 1 of bans is empty',
    ]);
  });
});

describe('a test of a rule', () => {
  const CONVERSATION = 'conversations: { c1: { members: { a: owner } } }';
  const faultsOfTest = (test: string, before = CONVERSATION) => faultsOf(`${before}\ntests:\n  - ${test}`);

  it.each([
    ['a', '3:5: a test must be a map, name: value'],
    ['{ client: a, action: query, expect: allowed }', '3:5: query needs the field conversation'],
    ['{ client: a, action: login, conversation: c1, expect: allowed }', '3:47: login takes no conversation'],
    ['{ client: a, action: query, conversation: c1, members: [], expect: allowed }', '3:60: query takes no members'],
    ['{ client: a, action: kick, conversation: c1, expect: allowed }', '3:5: kick needs members, at least one'],
    [
      '{ client: a, action: kick, conversation: c1, members: [], expect: allowed }',
      '3:59: kick needs members, at least one',
    ],
    ['{ client: [a], action: login, expect: allowed }', '3:15: client must be a text'],
    ['{ name: "", client: a, action: login, expect: allowed }', '3:13: name is empty'],
    ['{ name: "a\\e[2J", client: a, action: login, expect: allowed }', '3:13: name contains a control character'],
    ['{ client: a, client: b, action: login, expect: allowed }', '3:18: a test has "client" twice'],
  ])('that asks for something else than its action takes is refused: %s', (test, fault) => {
    expect(faultsOfTest(test)).toEqual([fault]);
  });

  const NEVER = (decision: string) => new RegExp(`^3:\\d+: ${decision} can never be the decision: `);

  it.each([
    ['login', '', 'not_permitted', 'login is never refused with it'],
    ['query', 'conversation: c1,', 'conversation_full', 'query is never refused with it'],
    ['kick', 'conversation: c1, members: [b],', 'member_banned', 'kick is never refused with it'],
    ['kick', 'conversation: c1, members: [a, a],', 'not_permitted', 'kick of oneself is never refused with it'],
    ['invite', 'conversation: c1,', 'member_banned', 'invite without members is never refused with it'],
    ['query', 'conversation: c2,', 'not_permitted', '"c2" is not one of the conversations, so that it has no rules'],
    [
      'query',
      'conversation: c1,',
      'conversation_unknown',
      'only the membership "required" asks for registered conversations',
    ],
  ])('that expects %s { %s } to be %s is refused: %s', (action, more, expected, why) => {
    const [fault, ...others] = faultsOfTest(`{ client: a, action: ${action}, ${more} expect: ${expected} }`);
    expect(others).toEqual([]);
    expect(fault).toMatch(NEVER(expected));
    expect(fault?.endsWith(why)).toBe(true);
  });

  it.each([
    ['off', 'not_permitted', 'the membership is off, so that no rule counts'],
    ['off', 'conversation_unknown', 'the membership is off, so that no rule counts'],
    ['required', 'conversation_unknown', '"c1" is one of the conversations, so that it is registered'],
  ])('that expects, with the membership %s, %s is refused', (membership, expected, why) => {
    const test = `{ client: a, action: query, conversation: c1, expect: ${expected} }`;
    const faults = faultsOfTest(test, `${CONVERSATION}\nmembership: ${membership}`);
    expect(faults).toEqual([expect.stringMatching(new RegExp(`${expected} can never be the decision: ${why}$`))]);
  });

  it('may expect a ban with any membership', () => {
    for (const membership of ['off', 'where-registered', 'required']) {
      const test = '{ client: a, action: invite, conversation: c2, members: [b], expect: member_banned }';
      expect(faultsOfTest(test, `membership: ${membership}`)).toEqual([]);
    }
  });
});

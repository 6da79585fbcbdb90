import type { Decision, Operation, Role } from '../../src/conversations/decision.js';
import { ACTIONS } from '../../src/signature/actions.js';

/** An example of a line of docs/design.md, "Who may do what"; ids without a role are no members. */
export interface Case {
  readonly name: string;
  readonly membership: 'off' | 'where-registered' | 'required';
  readonly action: Operation['action'];
  /** Of the client `me`: joined with ":" and sorted, as on the wire. */
  readonly members: string;
  /** The columns of `conversations` that are not its defaults; null for a conversation that is not registered. */
  readonly rule: Readonly<Record<string, string | number>> | null;
  readonly roles: Readonly<Record<string, Role>>;
  readonly expected: Decision;
}

/** An example: action and members, rule, roles, the expected decision. */
type Line = [asked: string, rule: Case['rule'], roles: Case['roles'], expected: Decision];

const OWNER = { me: 'owner' } as const;
const MANAGER = { me: 'manager' } as const;
const MEMBER = { me: 'member' } as const;
const NOBODY = {};

const REGISTERED: Record<string, Line[]> = {
  'join: already a member, or join_rule is anyone': [
    ['invite', {}, NOBODY, 'not_permitted'],
    ['invite me', {}, NOBODY, 'not_permitted'],
    ['invite me:me', {}, NOBODY, 'not_permitted'],
    ['invite', {}, MEMBER, 'allowed'],
    ['invite me', {}, MEMBER, 'allowed'],
    ['invite', { join_rule: 'anyone' }, NOBODY, 'allowed'],
    ['invite me', { join_rule: 'anyone' }, NOBODY, 'allowed'],
    // The rule to invite says nothing about joining.
    ['invite', { invite_rule: 'anyone' }, NOBODY, 'not_permitted'],
    ['invite', { join_rule: 'anyone', invite_rule: 'owner' }, NOBODY, 'allowed'],
  ],
  'invite others: rank >= invite_rule': [
    ['invite bob', {}, NOBODY, 'not_permitted'],
    ['invite bob', {}, MEMBER, 'allowed'],
    ['invite bob', { join_rule: 'anyone' }, NOBODY, 'not_permitted'],
    ['invite bob', { invite_rule: 'anyone' }, NOBODY, 'allowed'],
    ['invite bob', { invite_rule: 'manager' }, MEMBER, 'not_permitted'],
    ['invite bob', { invite_rule: 'manager' }, MANAGER, 'allowed'],
    ['invite bob', { invite_rule: 'owner' }, MANAGER, 'not_permitted'],
    ['invite bob', { invite_rule: 'owner' }, OWNER, 'allowed'],
    ['invite bob:eve', {}, { ...MEMBER, bob: 'owner' }, 'allowed'],
  ],
  'invite others and oneself: both permissions': [
    ['invite bob:me', {}, MEMBER, 'allowed'],
    ['invite bob:me', { invite_rule: 'manager' }, MEMBER, 'not_permitted'],
    ['invite bob:me', { invite_rule: 'anyone' }, NOBODY, 'not_permitted'],
    ['invite bob:me', { join_rule: 'anyone' }, NOBODY, 'not_permitted'],
    ['invite bob:me', { join_rule: 'anyone', invite_rule: 'anyone' }, NOBODY, 'allowed'],
  ],
  'leave: always': [
    ['kick me', {}, NOBODY, 'allowed'],
    ['kick me', { kick_rule: 'owner' }, MEMBER, 'allowed'],
    ['kick me:me', { kick_rule: 'owner' }, OWNER, 'allowed'],
  ],
  'kick others: rank >= kick_rule, and above the rank of every target': [
    ['kick bob', {}, { bob: 'member' }, 'not_permitted'],
    ['kick bob', {}, { ...MEMBER, bob: 'member' }, 'not_permitted'],
    ['kick bob', {}, { ...MANAGER, bob: 'member' }, 'allowed'],
    ['kick bob', {}, { ...MANAGER, bob: 'manager' }, 'not_permitted'],
    ['kick bob', {}, { ...MANAGER, bob: 'owner' }, 'not_permitted'],
    ['kick bob', {}, { ...OWNER, bob: 'manager' }, 'allowed'],
    ['kick bob', {}, { ...OWNER, bob: 'owner' }, 'not_permitted'],
    ['kick bob', { kick_rule: 'owner' }, { ...MANAGER, bob: 'member' }, 'not_permitted'],
    ['kick bob', { kick_rule: 'owner' }, { ...OWNER, bob: 'member' }, 'allowed'],
    ['kick bob', { kick_rule: 'member' }, { ...MEMBER, bob: 'member' }, 'not_permitted'],
    ['kick bob:eve', {}, { ...MANAGER, bob: 'member', eve: 'manager' }, 'not_permitted'],
    ['kick bob:eve', {}, { ...MANAGER, bob: 'member', eve: 'member' }, 'allowed'],
    // Non-members have rank 0: members rank above them, other non-members do not.
    ['kick bob', {}, MANAGER, 'allowed'],
    ['kick bob', { kick_rule: 'anyone' }, MEMBER, 'allowed'],
    ['kick bob', { kick_rule: 'anyone' }, NOBODY, 'not_permitted'],
  ],
  'kick others and oneself: both permissions': [
    ['kick bob:me', {}, { ...MANAGER, bob: 'member' }, 'allowed'],
    ['kick bob:me', {}, { ...MANAGER, bob: 'manager' }, 'not_permitted'],
    ['kick bob:me', {}, { ...MEMBER, bob: 'member' }, 'not_permitted'],
  ],
  'query: rank >= 1': [
    ['query', {}, NOBODY, 'not_permitted'],
    ['query', {}, MEMBER, 'allowed'],
    ['query', {}, OWNER, 'allowed'],
    // That anyone may join says nothing about reading before.
    ['query', { join_rule: 'anyone', invite_rule: 'anyone', kick_rule: 'anyone' }, NOBODY, 'not_permitted'],
  ],
  'client-(un)block-conversations: always': [
    ['client-block-conversations', {}, NOBODY, 'allowed'],
    ['client-block-conversations', { kick_rule: 'owner' }, MEMBER, 'allowed'],
    ['client-unblock-conversations', {}, NOBODY, 'allowed'],
    ['client-unblock-conversations', { join_rule: 'invited', invite_rule: 'owner' }, NOBODY, 'allowed'],
  ],
  'conversation-(un)block-clients: rank >= kick_rule, and above the rank of every target': [
    ...['conversation-block-clients', 'conversation-unblock-clients'].flatMap((action): Line[] => [
      [`${action} bob`, {}, { bob: 'member' }, 'not_permitted'],
      [`${action} bob`, {}, { ...MEMBER, bob: 'member' }, 'not_permitted'],
      [`${action} bob`, {}, { ...MANAGER, bob: 'member' }, 'allowed'],
      [`${action} bob`, {}, MANAGER, 'allowed'],
      [`${action} bob`, {}, { ...MANAGER, bob: 'manager' }, 'not_permitted'],
      [`${action} bob`, { kick_rule: 'owner' }, { ...MANAGER, bob: 'member' }, 'not_permitted'],
      [`${action} bob`, { kick_rule: 'owner' }, { ...OWNER, bob: 'manager' }, 'allowed'],
      [`${action} bob`, { kick_rule: 'anyone' }, NOBODY, 'not_permitted'],
      [`${action} bob`, { member_limit: 1 }, { ...MANAGER, zoe: 'member' }, 'allowed'],
      // Nobody ranks above itself.
      [`${action} me`, {}, OWNER, 'not_permitted'],
      [`${action} bob:me`, {}, { ...OWNER, bob: 'member' }, 'not_permitted'],
    ]),
  ],
  'member_limit: no join or invite exceeds it': [
    ['invite bob', { member_limit: 1 }, MEMBER, 'conversation_full'],
    ['invite bob', { member_limit: 2 }, MEMBER, 'allowed'],
    ['invite bob:bob', { member_limit: 2 }, MEMBER, 'allowed'],
    ['invite bob:eve', { member_limit: 2 }, MEMBER, 'conversation_full'],
    ['invite bob:eve', { member_limit: 2 }, { ...MEMBER, bob: 'member' }, 'conversation_full'],
    ['invite bob:eve', { member_limit: 3 }, { ...MEMBER, bob: 'member' }, 'allowed'],
    ['invite bob', { member_limit: 2 }, { ...MEMBER, bob: 'member' }, 'allowed'],
    ['invite bob:me', { member_limit: 2 }, MEMBER, 'allowed'],
    ['invite', { member_limit: 1, join_rule: 'anyone' }, { bob: 'member' }, 'conversation_full'],
    ['invite me', { member_limit: 1, join_rule: 'anyone' }, { bob: 'member' }, 'conversation_full'],
    ['invite', { member_limit: 2, join_rule: 'anyone' }, { bob: 'member' }, 'allowed'],
    ['invite me', { member_limit: 1 }, MEMBER, 'allowed'],
    // Over a limit that was lowered: no one can be added, members can be invited again and kicked.
    ['invite eve', { member_limit: 1 }, { ...MEMBER, bob: 'member' }, 'conversation_full'],
    ['invite bob', { member_limit: 1 }, { ...MEMBER, bob: 'member' }, 'allowed'],
    ['kick bob', { member_limit: 1 }, { ...MANAGER, bob: 'member' }, 'allowed'],
    // Whoever may not invite is not told whether there is a place.
    ['invite bob', { member_limit: 1, invite_rule: 'owner' }, MEMBER, 'not_permitted'],
  ],
  'login and conversion: not in a conversation yet': [
    ['login', { invite_rule: 'owner', member_limit: 1 }, NOBODY, 'allowed'],
    ['conversion', { invite_rule: 'owner', member_limit: 1 }, NOBODY, 'allowed'],
    ['conversion bob:eve', { invite_rule: 'owner', member_limit: 1 }, NOBODY, 'allowed'],
  ],
};

/** The kinds of list that an action may take. */
const LISTS = { none: [''], 'may be empty': ['', 'bob', 'me', 'bob:me'], 'at least one': ['bob', 'me', 'bob:me'] };
/** Each action with each kind of list, as in a `Line`. */
export const ASKED: readonly string[] = Object.entries(ACTIONS).flatMap(([action, { members }]) =>
  LISTS[members].map((list) => `${action} ${list}`.trimEnd()),
);
const FORBIDDING = { invite_rule: 'owner', kick_rule: 'owner', member_limit: 1 };

export const CASES: readonly Case[] = [
  ...Object.entries(REGISTERED).flatMap(([row, lines]) =>
    lines.flatMap(([asked, rule, roles, expected]) => [
      makeCase(row, 'where-registered', asked, rule, roles, expected),
      makeCase(row, 'required', asked, rule, roles, expected),
    ]),
  ),
  ...ASKED.flatMap((asked) => [
    makeCase('off: no rule', 'off', asked, FORBIDDING, NOBODY, 'allowed'),
    makeCase('off: no rule', 'off', asked, null, NOBODY, 'allowed'),
    makeCase('where-registered: no rule for others', 'where-registered', asked, null, NOBODY, 'allowed'),
    makeCase(
      'required: others are unknown',
      'required',
      asked,
      null,
      NOBODY,
      /^(login|conversion)/.test(asked) ? 'allowed' : 'conversation_unknown',
    ),
  ]),
];

function makeCase(
  row: string,
  membership: Case['membership'],
  asked: string,
  rule: Case['rule'],
  roles: Case['roles'],
  expected: Decision,
): Case {
  const [action = '', members = ''] = asked.split(' ');
  const told = `"${asked}" with ${JSON.stringify(rule)} and ${JSON.stringify(roles)} (${membership})`;
  return {
    name: `${row}; ${told}: ${expected}`,
    membership,
    action: action as Operation['action'],
    members,
    rule,
    roles,
    expected,
  };
}

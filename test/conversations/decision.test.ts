import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Conversation,
  decide,
  type Decision,
  type Facts,
  needsCount,
  type Operation,
  type Policy,
  possibleRefusals,
  requireAllowed,
  type Role,
} from '../../src/conversations/decision.js';
import { ProblemError } from '../../src/problems/problem-error.js';
import { ACTIONS, type ActionName } from '../../src/signature/actions.js';
import { ASKED, type Case, CASES } from './who-may-do-what.js';

describe('who may do what', () => {
  it.each(CASES)('$name', ({ membership, action, members, rule, roles, expected }) => {
    const operation = operationOf(action, members === '' ? [] : members.split(':'));
    const people = { ...peopleOf(roles), conversation: rule === null ? null : conversationOf(rule, roles) };
    expect(decide(operation, membership, factsOf(operation, people))).toBe(expected);
  });

  it.each(ASKED)('"%s" has an example that is allowed, and one that is not, where that can be', (asked) => {
    const [action = '', list = ''] = asked.split(' ');
    const members = list === '' ? [] : list.split(':');
    const examples = CASES.filter(
      (example) => example.rule !== null && example.action === action && example.members === list,
    );
    const decisions = new Set(examples.map(({ expected }) => expected));
    // Nobody ranks above itself.
    const isNever = /^conversation-(un)?block-clients .*me/.test(asked);
    if (!isNever) expect(decisions).toContain('allowed');
    const { not_permitted } = possibleRefusals(operationOf(action as ActionName, members));
    if (not_permitted) expect(decisions).toContain('not_permitted');
  });

  it('a kick of an empty list is not leaving', () => {
    const empty = operationOf('kick', []);
    const people = { ...peopleOf({}), conversation: conversationOf({ kick_rule: 'member' }, {}) };
    expect(decide(empty, 'where-registered', factsOf(empty, people))).toBe('not_permitted');
  });
});

describe('a ban', () => {
  const decisionOn = (action: Operation['action'], members: string[], banned: string[]): string => {
    const operation = operationOf(action, members);
    const people = { ...peopleOf({}), conversation: null, banned: new Set(banned) };
    return decide(operation, 'off', factsOf(operation, people));
  };

  it.each(ASKED)('of the client refuses "%s"', (asked) => {
    const [action = '', list = ''] = asked.split(' ');
    expect(decisionOn(action as ActionName, list.split(':'), ['me', 'bob'])).toBe('client_banned');
  });

  /** By action, for one that names the banned client. */
  const OF_A_MEMBER: Record<ActionName, Decision> = {
    login: 'allowed',
    conversion: 'member_banned',
    invite: 'member_banned',
    kick: 'allowed',
    query: 'allowed',
    'client-block-conversations': 'allowed',
    'client-unblock-conversations': 'allowed',
    'conversation-block-clients': 'allowed',
    'conversation-unblock-clients': 'allowed',
  };
  it.each(Object.entries(OF_A_MEMBER))('of a member makes %s %s', (action, expected) => {
    const members = ACTIONS[action as ActionName].members === 'none' ? [] : ['bob', 'eve'];
    expect(decisionOn(action as ActionName, members, ['bob'])).toBe(expected);
  });

  it('of a client outside the operation does not matter', () => {
    expect(decisionOn('invite', ['eve'], ['bob'])).toBe('allowed');
  });
});

const ENFORCED: Policy = { membership: 'required', membershipMode: 'enforce' };

describe('a refusal by a rule', () => {
  const refusalOf = (asked: string, rule: NonNullable<Case['rule']>, roles: Case['roles'], isProven: boolean) => {
    const [action = '', members = ''] = asked.split(' ');
    const operation = operationOf(action as Operation['action'], members === '' ? [] : members.split(':'));
    const people = { ...peopleOf(roles), conversation: conversationOf(rule, roles) };
    try {
      requireAllowed(operation, ENFORCED, factsOf(operation, people), isProven);
    } catch (error) {
      if (error instanceof ProblemError) return error;
    }
    throw new Error('not refused');
  };

  it.each<
    [asked: string, rule: NonNullable<Case['rule']>, roles: Case['roles'], named: string | undefined, detail: RegExp]
  >([
    ['invite', {}, {}, 'join_rule', /join_rule .* join/],
    ['invite me', {}, {}, 'join_rule', /join_rule .* join/],
    ['invite bob', {}, {}, 'invite_rule', /invite_rule .* invite others/],
    ['invite bob:me', {}, {}, 'join_rule', /join_rule .* join/],
    ['invite bob:me', { join_rule: 'anyone' }, {}, 'invite_rule', /invite_rule .* invite others/],
    ['kick bob', {}, { me: 'member', bob: 'member' }, 'kick_rule', /kick_rule .* remove or block others/],
    ['kick bob', {}, { me: 'manager', bob: 'manager' }, 'kick_rule', /only those who rank below/],
    ['kick bob:me', {}, { me: 'owner', bob: 'owner' }, 'kick_rule', /only those who rank below/],
    ['query', {}, {}, undefined, /Only members .* history/],
    ['conversation-block-clients bob', {}, { me: 'member' }, 'kick_rule', /kick_rule .* remove or block others/],
    ['conversation-block-clients me', {}, { me: 'owner' }, 'kick_rule', /block or unblock only those who rank below/],
  ])('of "%s" with %j and %j names the rule to a caller who is proven', (asked, rule, roles, named, detail) => {
    const refusal = refusalOf(asked, rule, roles, true);
    expect([refusal.code, refusal.rule]).toEqual(['not_permitted', named]);
    expect(refusal.detail).toMatch(detail);
  });

  it('does not name the rule to others', () => {
    const { rule, detail } = refusalOf('invite bob', {}, {}, false);
    expect(rule).toBeUndefined();
    expect(detail).toBe('The rules of the conversation do not let the client do this.');
  });
});

describe('the refusals that the API document lists', () => {
  // A list that names only the client itself meets fewer, and has no page of its own.
  it.each(ASKED.filter((asked) => !asked.endsWith('me')))(
    'for "%s" are those that some facts lead to, and no others',
    (asked) => {
      const [action = '', ...members] = asked.split(' ');
      const operation = operationOf(action as Operation['action'], members);
      const anyPeople = fc.record({
        conversation: fc.option(conversation),
        roles,
        banned: fc.constantFrom(new Set<string>(), new Set(['bob']), new Set(['me'])),
      });
      const met = fc
        .sample(fc.tuple(membership, anyPeople), { numRuns: 2_000, seed: 1 })
        .map(([on, any]) => decide(operation, on, factsOf(operation, any)));
      const possible = Object.entries(possibleRefusals(operation)).filter(([, isPossible]) => isPossible);
      expect(new Set(met)).toEqual(new Set(['allowed', ...possible.map(([code]) => code)]));
    },
  );
});

describe('the members of a conversation are counted', () => {
  const uncounted = { ...conversationOf({ member_limit: 1000 }, {}), memberCount: null };
  const asked = (action: Operation['action'], members: string[], conversation: Conversation): boolean => {
    const operation = operationOf(action, members);
    const people = { ...peopleOf({ bob: 'member' }), conversation };
    return needsCount(operation, factsOf(operation, people));
  };

  it.each([
    ['before an invitation of non-members', true, 'invite', ['eve'], uncounted],
    ['before the client joins', true, 'invite', [], uncounted],
    ['not for an invitation of members', false, 'invite', ['bob'], uncounted],
    ['not for a kick', false, 'kick', ['eve'], uncounted],
    ['not where there is no limit', false, 'invite', ['eve'], { ...uncounted, memberLimit: null }],
    ['not twice', false, 'invite', ['eve'], { ...uncounted, memberCount: 7 }],
  ] as const)('%s', (_when, expected, action, members, conversation) => {
    expect(asked(action, [...members], conversation)).toBe(expected);
  });

  it('and without a count no one is added', () => {
    const operation = operationOf('invite', ['eve']);
    const people = { ...peopleOf({ me: 'owner' }), conversation: uncounted };
    expect(decide(operation, 'required', factsOf(operation, people))).toBe('conversation_full');
  });
});

describe('for any rules and members,', () => {
  it('raising the rank of the client never takes a right away', () => {
    fc.assert(
      fc.property(operation, membership, people, rankUp, (asked, on, before, [lower, higher]) => {
        const allowed = (role: Role | null): boolean =>
          decide(asked, on, factsOf(asked, withRole(before, 'me', role))) === 'allowed';
        if (allowed(lower)) expect(allowed(higher)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  it('raising the rank of a member never permits more against it', () => {
    fc.assert(
      fc.property(operation, membership, people, (asked, on, any) => {
        const allowed = ROLES.map(
          (role) => decide(asked, on, factsOf(asked, withRole(any, 'bob', role))) === 'allowed',
        );
        expect(allowed).toEqual(allowed.toSorted((a, b) => Number(b) - Number(a)));
      }),
      { numRuns: 5_000 },
    );
  });

  it('leaving a registered conversation is always possible', () => {
    fc.assert(
      fc.property(membership, people, fc.integer({ min: 1, max: 3 }), (on, any, times) => {
        const leaving = operationOf('kick', Array<string>(times).fill('me'));
        expect(decide(leaving, on, factsOf(leaving, any))).toBe('allowed');
      }),
    );
  });

  it('a list is allowed exactly when each of its ids alone is', () => {
    fc.assert(
      fc.property(others, membership, people, (members, on, any) => {
        // Only the member limit depends on the whole list.
        const unlimited = { ...any, conversation: { ...any.conversation, memberLimit: null } };
        for (const action of ['invite', 'kick', 'conversation-block-clients'] as const) {
          const allowed = (list: string[]): boolean => {
            const asked = operationOf(action, list);
            return decide(asked, on, factsOf(asked, unlimited)) === 'allowed';
          };
          expect(allowed([...members, 'me'])).toBe(allowed(members) && allowed(['me']));
          expect(allowed(members)).toBe(members.every((member) => allowed([member])));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('no allowed join or invite brings members in beyond the limit', () => {
    fc.assert(
      fc.property(anyMembers, people, fc.integer({ min: 1, max: 5 }), (members, any, memberLimit) => {
        const before = any.roles.size;
        const conversation = { ...any.conversation, memberLimit, memberCount: before };
        const asked = operationOf('invite', members);
        if (decide(asked, 'required', factsOf(asked, { ...any, conversation })) !== 'allowed') return;
        const after = new Set([...any.roles.keys(), ...(members.length === 0 ? ['me'] : members)]).size;
        expect(after).toBeLessThanOrEqual(Math.max(memberLimit, before));
      }),
      { numRuns: 5_000 },
    );
  });

  it('a banned client is refused', () => {
    fc.assert(
      fc.property(operation, membership, people, bans, (asked, on, any, alsoBanned) => {
        const banned = new Set(['me', ...alsoBanned]);
        expect(decide(asked, on, factsOf(asked, { ...any, banned }))).toBe('client_banned');
      }),
    );
  });

  it('what shadow mode allows is what enforcing allows, or is refused by a rule and by no ban', () => {
    fc.assert(
      fc.property(operation, membership, people, bans, fc.boolean(), (asked, on, any, alsoBanned, isBanned) => {
        const banned = new Set(isBanned ? ['me', ...alsoBanned] : alsoBanned);
        const facts = factsOf(asked, { ...any, banned });
        const decision = decide(asked, on, facts);
        const inShadow = () => requireAllowed(asked, { membership: on, membershipMode: 'shadow' }, facts, false);
        if (decision.endsWith('_banned')) expect(inShadow).toThrow(decision);
        else expect(inShadow()).toBe(decision === 'allowed' ? undefined : decision);
        const broughtIn = asked.action === 'conversion' || asked.action === 'invite' ? asked.members : [];
        if (banned.has('me') || broughtIn.some((id) => banned.has(id))) expect(inShadow).toThrow(/_banned/);
      }),
      { numRuns: 5_000 },
    );
  });

  it('no banned client is added to a conversation', () => {
    fc.assert(
      fc.property(operation, membership, people, bans, (asked, on, any, bannedIds) => {
        const banned = new Set<string>(bannedIds);
        if (decide(asked, on, factsOf(asked, { ...any, banned })) !== 'allowed') return;
        const broughtIn = asked.action === 'conversion' || asked.action === 'invite' ? asked.members : [];
        expect(broughtIn.filter((id) => banned.has(id))).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });
});

function operationOf(action: Operation['action'], members: readonly string[]): Operation {
  return { action, appId: '1', clientId: 'me', conversationId: 'c', members };
}

/** Everybody's role and ban, and the conversation, as the tables have them. */
interface People {
  readonly conversation: Conversation | null;
  readonly roles: ReadonlyMap<string, Role>;
  readonly banned: ReadonlySet<string>;
}

function peopleOf(roles: Case['roles']): Pick<People, 'roles' | 'banned'> {
  return { roles: new Map(Object.entries(roles)), banned: new Set() };
}

/** What the service would read for an operation. */
function factsOf({ clientId, members }: Operation, { conversation, roles, banned }: People): Facts {
  const standing = (id: string) => ({
    banned: banned.has(id),
    rank: ['anyone', 'member', 'manager', 'owner'].indexOf(roles.get(id) ?? 'anyone'),
  });
  return { conversation, client: standing(clientId), members: members.map(standing) };
}

/** By the columns of the table, its defaults included. */
function conversationOf(rule: NonNullable<Case['rule']>, roles: Case['roles']): Conversation {
  const row = { join_rule: 'invited', invite_rule: 'member', kick_rule: 'manager', member_limit: null, ...rule };
  return {
    joinRule: row.join_rule as Conversation['joinRule'],
    inviteRule: row.invite_rule as Conversation['inviteRule'],
    kickRule: row.kick_rule as Conversation['kickRule'],
    memberLimit: row.member_limit,
    memberCount: Object.keys(roles).length,
  };
}

function withRole(people: People, id: string, role: Role | null): People {
  const roles = new Map(people.roles);
  roles.delete(id);
  if (role !== null) roles.set(id, role);
  return { ...people, roles };
}

const ROLES = ['member', 'manager', 'owner'] as const;
const rule = fc.constantFrom('anyone' as const, ...ROLES);
const others = fc.array(fc.constantFrom('bob', 'eve', 'zoe'), { minLength: 1, maxLength: 4 });
const anyMembers = fc.array(fc.constantFrom('bob', 'eve', 'me'), { maxLength: 4 });
const bans = fc.array(fc.constantFrom('bob', 'eve'));
const membership = fc.constantFrom('off' as const, 'where-registered' as const, 'required' as const);
const operation = fc
  .tuple(fc.constantFrom(...(Object.keys(ACTIONS) as ActionName[])), anyMembers)
  .map(([action, members]) => operationOf(action, members));
const conversation = fc.record({
  joinRule: fc.constantFrom('anyone' as const, 'invited' as const),
  inviteRule: rule,
  kickRule: rule,
  memberLimit: fc.option(fc.integer({ min: 1, max: 5 })),
  memberCount: fc.integer({ min: 0, max: 5 }),
});
const roles = fc
  .dictionary(fc.constantFrom('me', 'bob', 'eve', 'zoe'), fc.constantFrom(...ROLES))
  .map((byId) => new Map(Object.entries(byId)));
const people = fc.record({ conversation, roles, banned: fc.constant(new Set<string>()) });
/** Two roles of a client, the second above the first. */
const rankUp = fc.subarray([null, ...ROLES], { minLength: 2, maxLength: 2 }).map((pair) => pair as [Role | null, Role]);

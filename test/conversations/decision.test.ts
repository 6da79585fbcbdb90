import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Conversation,
  decide,
  type Operation,
  refusedByBan,
  type Role,
} from '../../src/conversations/decision.js';
import { type Case, CASES } from './who-may-do-what.js';

describe('who may do what', () => {
  it.each(CASES)('$name', ({ membership, action, members, rule, roles, expected }) => {
    const operation = operationOf(action, members === '' ? [] : members.split(':'));
    expect(decide(operation, membership, rule === null ? null : conversationOf(rule, roles))).toBe(expected);
  });

  it('nobody is kicked by a list of nobody', () => {
    const conversation = conversationOf({ kick_rule: 'member' }, {});
    expect(decide(operationOf('kick', []), 'where-registered', conversation)).toBe('not_permitted');
  });
});

describe('a ban', () => {
  const bob = new Set(['bob']);

  it.each(['login', 'conversion', 'invite', 'kick'] as const)('of the client refuses %s', (action) => {
    expect(refusedByBan(operationOf(action, ['bob', 'eve']), new Set(['me', 'bob']))).toBe('client_banned');
  });

  it('of a member refuses to open a conversation with it and to invite it, and to kick it does not', () => {
    expect(refusedByBan(operationOf('conversion', ['bob', 'eve']), bob)).toBe('member_banned');
    expect(refusedByBan(operationOf('invite', ['bob', 'eve']), bob)).toBe('member_banned');
    expect(refusedByBan(operationOf('kick', ['bob', 'eve']), bob)).toBeUndefined();
  });

  it('of somebody else refuses nothing', () => {
    expect(refusedByBan(operationOf('invite', ['eve']), bob)).toBeUndefined();
  });
});

describe('whatever the rules and the members are,', () => {
  it('raising the rank of the client never takes a right away', () => {
    fc.assert(
      fc.property(operation, membership, conversation, rankUp, (asked, on, before, [lower, higher]) => {
        const allowed = (role: Role | null): boolean =>
          decide(asked, on, withRole(before, role)) === 'allowed';
        if (allowed(lower)) expect(allowed(higher)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  it('raising the rank of a member gives nobody a right over it', () => {
    fc.assert(
      fc.property(operation, membership, conversation, (asked, on, any) => {
        const allowed = ROLES.map((role) => {
          const roles = new Map(any.roles).set('bob', role);
          return decide(asked, on, { ...any, roles }) === 'allowed';
        });
        expect(allowed).toEqual(allowed.toSorted((a, b) => Number(b) - Number(a)));
      }),
      { numRuns: 5_000 },
    );
  });

  it('leaving a registered conversation is always possible', () => {
    fc.assert(
      fc.property(membership, conversation, fc.integer({ min: 1, max: 3 }), (on, any, times) => {
        expect(decide(operationOf('kick', Array<string>(times).fill('me')), on, any)).toBe('allowed');
      }),
    );
  });

  it('what is asked at once is allowed when each part of it is, and only then', () => {
    fc.assert(
      fc.property(others, membership, conversation, (members, on, any) => {
        // A limit is the one thing that counts what is asked together.
        const unlimited = { ...any, memberLimit: null };
        for (const action of ['invite', 'kick'] as const) {
          const allowed = (list: string[]): boolean =>
            decide(operationOf(action, list), on, unlimited) === 'allowed';
          expect(allowed([...members, 'me'])).toBe(allowed(members) && allowed(['me']));
          expect(allowed(members)).toBe(members.every((member) => allowed([member])));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('no allowed join or invite brings members in beyond the limit', () => {
    fc.assert(
      fc.property(anyMembers, conversation, fc.integer({ min: 1, max: 5 }), (members, any, memberLimit) => {
        const before = any.roles.size;
        const limited = { ...any, memberLimit, memberCount: before };
        if (decide(operationOf('invite', members), 'required', limited) !== 'allowed') return;
        const after = new Set([...any.roles.keys(), ...(members.length === 0 ? ['me'] : members)]).size;
        expect(after).toBeLessThanOrEqual(Math.max(memberLimit, before));
      }),
      { numRuns: 5_000 },
    );
  });

  it('a banned client is refused, and no rule is asked', () => {
    fc.assert(
      fc.property(operation, fc.array(fc.constantFrom('bob', 'eve')), (asked, alsoBanned) => {
        expect(refusedByBan(asked, new Set(['me', ...alsoBanned]))).toBe('client_banned');
      }),
    );
  });
});

function operationOf(action: Operation['action'], members: readonly string[]): Operation {
  return { action, appId: '1', clientId: 'me', conversationId: 'c', members };
}

/** By the columns of the table, its defaults included. */
function conversationOf(rule: NonNullable<Case['rule']>, roles: Case['roles']): Conversation {
  const row = {
    join_rule: 'invited',
    invite_rule: 'member',
    kick_rule: 'manager',
    member_limit: null,
    ...rule,
  };
  return {
    joinRule: row.join_rule as Conversation['joinRule'],
    inviteRule: row.invite_rule as Conversation['inviteRule'],
    kickRule: row.kick_rule as Conversation['kickRule'],
    memberLimit: row.member_limit,
    memberCount: Object.keys(roles).length,
    roles: new Map(Object.entries(roles)),
  };
}

function withRole(conversation: Conversation, role: Role | null): Conversation {
  const roles = new Map(conversation.roles);
  roles.delete('me');
  if (role !== null) roles.set('me', role);
  return { ...conversation, roles };
}

const ROLES = ['member', 'manager', 'owner'] as const;
const rule = fc.constantFrom('anyone' as const, ...ROLES);
const others = fc.array(fc.constantFrom('bob', 'eve', 'zoe'), { minLength: 1, maxLength: 4 });
const anyMembers = fc.array(fc.constantFrom('bob', 'eve', 'me'), { maxLength: 4 });
const membership = fc.constantFrom('off' as const, 'where-registered' as const, 'required' as const);
const operation = fc
  .tuple(
    fc.constantFrom('login' as const, 'conversion' as const, 'invite' as const, 'kick' as const),
    anyMembers,
  )
  .map(([action, members]) => operationOf(action, members));
const conversation: fc.Arbitrary<Conversation> = fc.record({
  joinRule: fc.constantFrom('anyone' as const, 'invited' as const),
  inviteRule: rule,
  kickRule: rule,
  memberLimit: fc.option(fc.integer({ min: 1, max: 5 })),
  memberCount: fc.integer({ min: 0, max: 5 }),
  roles: fc
    .dictionary(fc.constantFrom('me', 'bob', 'eve', 'zoe'), fc.constantFrom(...ROLES))
    .map((roles) => new Map(Object.entries(roles))),
});
/** Two roles of a client, the second above the first. */
const rankUp = fc
  .subarray([null, ...ROLES], { minLength: 2, maxLength: 2 })
  .map((pair) => pair as [Role | null, Role]);

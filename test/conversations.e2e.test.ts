import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hmacSecretPurpose, seal } from '../src/apps/sealing.js';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { ACTIONS } from '../src/signature/actions.js';
import { type Case, CASES } from './conversations/who-may-do-what.js';
import { secretKey, tokenFor } from './support/issuer.js';
import { startService, type TestService } from './support/service.js';

const KEY = 'a-master-key';

let service: TestService;

/** Every query that this process sends to PostgreSQL. */
const queries = vi.spyOn(Client.prototype, 'query');

beforeAll(async () => {
  service = await startService();
  for (const membership of ['off', 'where-registered', 'required']) {
    await service.registerApp(membership, KEY, { membership });
  }
  await service.registerApp('jwt', KEY, { identity: 'jwt', membership: 'required' });
  await service.registerApp('shop', KEY, { membership: 'required' });
});

afterAll(async () => {
  await service.close();
});

/** @returns "allowed", or the code of the refusal. */
async function ask(path: string): Promise<string> {
  return (await problem(path))?.code ?? 'allowed';
}

async function problem(path: string): Promise<ProblemDetails | undefined> {
  const response = await fetch(`${service.url}/signature/${path}`);
  const body = (await response.json()) as ProblemDetails;
  return response.ok ? undefined : body;
}

async function register(
  appId: string,
  conversationId: string,
  rule: NonNullable<Case['rule']> = {},
  roles: Record<string, string> = {},
): Promise<void> {
  const row = { app_id: appId, conversation_id: conversationId, ...rule };
  const places = Object.keys(row).map((_, index) => `$${index + 1}`);
  const made = `INSERT INTO conversations (${Object.keys(row).join()}) VALUES (${places.join()})`;
  const members = `SELECT $1, $2, * FROM unnest($${places.length + 1}::text[], $${places.length + 2}::text[])`;
  await service.database.query(`WITH made AS (${made}) INSERT INTO conversation_members ${members}`, [
    ...Object.values(row),
    Object.keys(roles),
    Object.values(roles),
  ]);
}

async function ban(appId: string, clientId: string, until: string | null = null): Promise<void> {
  await service.database.query(`INSERT INTO client_bans VALUES ($1, $2, now() + $3::interval, 'spam, says a user')`, [
    appId,
    clientId,
    until,
  ]);
}

describe('who may do what', () => {
  it.each(CASES.map((line, index) => ({ ...line, conversationId: `row-${index}` })))(
    '$name',
    async ({ membership, action, members, rule, roles, expected, conversationId }) => {
      if (rule !== null) await register(membership, conversationId, rule, roles);
      const conversation = ACTIONS[action].conversation ? `/${conversationId}` : '';
      const list = members === '' ? '' : `/${members}`;
      expect(await ask(`${action}/${membership}/me${conversation}${list}`)).toBe(expected);
    },
  );
});

describe('the rules of a conversation', () => {
  it('apply from the next request after a change', async () => {
    const invite = 'invite/where-registered/alice/changing/bob';
    expect(await ask(invite)).toBe('allowed');
    await register('where-registered', 'changing');
    expect(await ask(invite)).toBe('not_permitted');
    await service.database.query(`INSERT INTO conversation_members VALUES ('where-registered', 'changing', 'alice')`);
    expect(await ask(invite)).toBe('allowed');
    await service.database.query(`DELETE FROM conversations WHERE conversation_id = 'changing'`);
    expect(await ask(invite)).toBe('allowed');
    expect(await ask(invite.replace('where-registered', 'required'))).toBe('conversation_unknown');
  });

  it('of one app do not apply to a conversation of another app with the same id', async () => {
    await register('required', 'same', {}, { alice: 'owner', bob: 'member' });
    await register('where-registered', 'same', {}, { bob: 'owner', alice: 'member' });
    expect(await ask('kick/required/alice/same/bob')).toBe('allowed');
    expect(await ask('kick/where-registered/alice/same/bob')).toBe('not_permitted');
    expect(await ask('kick/where-registered/bob/same/alice')).toBe('allowed');
  });

  it('are found by ids exactly as given', async () => {
    // Composed and decomposed, upper and lower case, and texts with a meaning in other notations.
    const ids = ['caf\u00e9', 'cafe\u0301', 'ID', 'id', ' id', '%', '"{a,b}"', "it's", '__proto__', 'NULL', '小明'];
    for (const [index, id] of ids.entries()) {
      await register('required', id, {}, { [`client ${index}`]: 'member' });
    }
    await register('required', 'ids', { invite_rule: 'anyone', member_limit: 2 * ids.length - 1 });
    for (const id of ids) {
      await service.database.query(`INSERT INTO conversation_members VALUES ('required', 'ids', $1)`, [id]);
    }
    for (const [index, id] of ids.entries()) {
      const paths = ids.map(
        (_, other) => `invite/required/${encodeURIComponent(`client ${other}`)}/${encodeURIComponent(id)}/bob`,
      );
      const expected = ids.map((_, other) => (other === index ? 'allowed' : 'not_permitted'));
      expect(await Promise.all(paths.map(ask)), id).toEqual(expected);
    }
    const all = ids.toSorted().map(encodeURIComponent).join(':');
    expect(await ask(`invite/required/me/ids/${all}`), 'each is a member').toBe('allowed');
  });
});

describe('a refusal by a rule', () => {
  const SECRET = 'a secret of the issuer, 32 bytes long';

  beforeAll(async () => {
    await service.registerApp('proven', KEY, { identity: 'jwt', membership: 'required' });
    await service.database.query(
      `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ('proven', '{HS256}', $1)`,
      [seal(SECRET, hmacSecretPurpose('proven'), service.sealingKeys)],
    );
    for (const app of ['proven', 'required']) await register(app, 'private', {}, { bob: 'member' });
  });

  const paths = [
    ['invite/A/alice/private', 'join_rule'],
    ['invite/A/alice/private/carol', 'invite_rule'],
    ['kick/A/alice/private/bob', 'kick_rule'],
  ] as const;

  it.each(paths)('%s names %s to a caller whose token proves who it is', async (path, rule) => {
    const headers = { authorization: `Bearer ${await tokenFor(secretKey(SECRET), 'alice')}` };
    const response = await fetch(`${service.url}/signature/${path.replace('A', 'proven')}`, { headers });
    const refusal = (await response.json()) as ProblemDetails;
    expect(refusal).toMatchObject({ code: 'not_permitted', rule });
    expect(refusal.detail).toContain(rule);
  });

  it.each(paths)('%s does not name %s where callers are not proven', async (path, rule) => {
    const refusal = await problem(path.replace('A', 'required'));
    expect(refusal?.code).toBe('not_permitted');
    expect(JSON.stringify(refusal)).not.toContain(rule);
  });
});

describe('a ban', () => {
  beforeAll(async () => {
    for (const app of ['off', 'required', 'jwt']) {
      await ban(app, 'banned');
      await ban(app, 'banned-today', '1 day');
      await ban(app, 'was-banned', '-1 second');
      // Later than a JavaScript Date can hold.
      await ban(app, 'banned-for-ages', '290000 years');
    }
    await register('required', 'banned-here', { join_rule: 'anyone' }, { banned: 'owner', alice: 'owner' });
  });

  const EVERY_ACTION = Object.entries(ACTIONS).flatMap(([action, { conversation, members }]) => {
    const path = `${action}/A/C${conversation ? '/x' : ''}`;
    return { none: [path], 'may be empty': [path, `${path}/bob`], 'at least one': [`${path}/C`] }[members];
  });

  it.each(EVERY_ACTION)('refuses %s, permanently or until its end', async (path) => {
    const as = (client: string): string => path.replace('A', 'off').replaceAll('C', client);
    expect(await ask(as('banned'))).toBe('client_banned');
    expect(await ask(as('banned-today'))).toBe('client_banned');
    expect(await ask(as('banned-for-ages'))).toBe('client_banned');
    expect(await ask(as('was-banned'))).toBe('allowed');
    expect(await ask(as('banned').replace('off', 'where-registered')), 'in another app').toBe('allowed');
  });

  it('keeps the client from being a target of conversion and invite, and not from being removed', async () => {
    for (const banned of ['banned', 'banned-today']) {
      expect(await ask(`conversion/off/alice/${banned}:zoe`)).toBe('member_banned');
      expect(await ask(`invite/off/alice/x/${banned}:zoe`)).toBe('member_banned');
      expect(await ask(`kick/off/alice/x/${banned}:zoe`)).toBe('allowed');
    }
    expect(await ask('conversion/off/alice/was-banned')).toBe('allowed');
    expect(await ask('invite/off/alice/x/was-banned')).toBe('allowed');
  });

  it('is refused without its reason and its end, and names the banned member', async () => {
    const client = await problem('login/off/banned');
    expect(JSON.stringify(client)).not.toMatch(/spam|until/);
    const member = await problem('invite/off/alice/x/aaron:banned:zoe');
    expect(member?.detail).toMatch(/^Member id 2 /);
    expect(JSON.stringify(member)).not.toMatch(/spam|until/);
  });

  it('is hidden from callers without a token, as conversations are', async () => {
    const answers = ['login/jwt/banned', 'login/jwt/alice', 'invite/jwt/alice/x/banned', 'kick/jwt/alice/x/bob'];
    for (const path of answers) expect(await ask(path)).toBe('identity_required');
  });

  it('is checked after the list of members, and before the rules', async () => {
    expect(await ask('conversion/off/banned/b:a')).toBe('members_not_sorted');
    expect(await ask('conversion/off/alice/banned:aaron')).toBe('members_not_sorted');
    expect(await ask('kick/off/banned/x')).toBe('members_required');
    expect(await ask(`conversion/off/banned/${Array(501).fill('b').join(':')}`)).toBe('too_many_members');
    expect(await ask('invite/required/banned/not-registered')).toBe('client_banned');
    expect(await ask('invite/required/alice/not-registered/banned')).toBe('member_banned');
    expect(await ask('invite/required/alice/not-registered/bob')).toBe('conversation_unknown');
  });

  it('cannot be lifted by any rule', async () => {
    const rule = fc.constantFrom('anyone', 'member', 'manager', 'owner');
    const rules = fc.record({
      join_rule: fc.constantFrom('anyone', 'invited'),
      invite_rule: rule,
      kick_rule: rule,
      member_limit: fc.option(fc.integer({ min: 1, max: 9 })),
    });
    const path = fc.constantFrom(...EVERY_ACTION.map((p) => p.replace('A', 'required').replace('x', 'banned-here')));
    await fc.assert(
      fc.asyncProperty(rules, path, async ({ join_rule, invite_rule, kick_rule, member_limit }, asked) => {
        await service.database.query(
          `UPDATE conversations SET join_rule = $1, invite_rule = $2, kick_rule = $3, member_limit = $4
           WHERE conversation_id = 'banned-here'`,
          [join_rule, invite_rule, kick_rule, member_limit],
        );
        const answers = [asked.replaceAll('C', 'banned'), 'invite/required/alice/banned-here/banned'].map(ask);
        expect(await Promise.all(answers)).toEqual(['client_banned', 'member_banned']);
      }),
      { numRuns: 50 },
    );
  });
});

describe('the queries of a request, beside the one for its app,', () => {
  const members = Array.from({ length: 500 }, (_, index) => `member-${String(index).padStart(3, '0')}`);
  const newcomers = members.map((member) => `new-${member}`).join(':');
  const [first = ''] = members;

  beforeAll(async () => {
    const roles = Object.fromEntries(members.map((member) => [member, 'member']));
    await register('required', 'large', { member_limit: 1000 }, { ...roles, me: 'owner' });
    await register('required', 'small', { member_limit: 500 }, { me: 'owner' });
  });

  it.each([
    ['without rules: the bans', 1, `invite/off/me/large/${members.join(':')}`],
    ['a login', 1, 'login/required/me'],
    ['leaving, which is always allowed', 1, 'kick/where-registered/me/large/me'],
    ['joining', 1, 'invite/required/me/large'],
    ['kicking one', 1, `kick/required/me/large/${first}`],
    ['kicking 500', 1, `kick/required/me/large/${members.join(':')}`],
    ['inviting a member', 1, `invite/required/me/large/${first}`],
    ['inviting one, to a limit of 500', 1, 'invite/required/me/small/bob'],
    ['inviting one, to a limit of 1000', 2, 'invite/required/me/large/bob'],
    ['inviting 500, to a limit of 500', 1, `invite/required/me/small/${newcomers}`],
    ['inviting 500, to a limit of 1000', 2, `invite/required/me/large/${newcomers}`],
    ['a list out of order', 0, 'invite/required/me/large/b:a'],
    ['501 ids', 0, `invite/required/me/large/${newcomers}:zoe`],
    ['12,800 ids', 0, `invite/required/me/large/${Array(12_800).fill('b').join(':')}`],
  ])('%s: %i', async (_what, count, path) => {
    const [, app = ''] = path.split('/');
    await ask(`login/${app}/me`);
    queries.mockClear();
    const answer = await ask(path);
    expect(queries).toHaveBeenCalledTimes(count);
    const refusal = count === 0 ? /^(members_not_sorted|too_many_members)$/ : /^conversation_full$/;
    expect(answer).toMatch(count === 0 || path.includes('new-') ? refusal : /^allowed$/);

    queries.mockClear();
    service.clock.advance(500);
    expect(await ask(path)).toBe(answer);
    const isShape = answer === 'members_not_sorted';
    expect(queries).toHaveBeenCalledTimes(isShape ? 0 : 1 + count);
  });
});

describe('the member limit', () => {
  it('counts committed members only, however many are invited at once', async () => {
    await register('required', 'last-place', { member_limit: 3 }, { me: 'owner', bob: 'member' });
    const invitations = Array.from({ length: 20 }, (_, i) => `invite/required/me/last-place/guest-${i}`);
    const invite = async (): Promise<Set<string>> => new Set(await Promise.all(invitations.map(ask)));
    expect(await invite()).toEqual(new Set(['allowed']));

    await service.database.query('BEGIN');
    await service.database.query(
      `INSERT INTO conversation_members VALUES ('required', 'last-place', 'guest-7', 'member')`,
    );
    expect(await invite()).toEqual(new Set(['allowed']));
    await service.database.query('COMMIT');
    const answers = await Promise.all(invitations.map(ask));
    expect(answers.map((answer, i) => (answer === 'allowed' ? i : -1)).filter((i) => i >= 0)).toEqual([7]);
  });

  it('applies as soon as it is raised or lowered', async () => {
    await register('required', 'elastic', { member_limit: 2 }, { me: 'owner', bob: 'member' });
    const limit = async (to: number | null): Promise<void> => {
      await service.database.query(`UPDATE conversations SET member_limit = $1 WHERE conversation_id = 'elastic'`, [
        to,
      ]);
    };
    expect(await ask('invite/required/me/elastic/carol')).toBe('conversation_full');
    await limit(3);
    expect(await ask('invite/required/me/elastic/carol')).toBe('allowed');
    expect(await ask('invite/required/me/elastic/carol:dave')).toBe('conversation_full');
    await limit(null);
    expect(await ask('invite/required/me/elastic/carol:dave')).toBe('allowed');
    await limit(1);
    expect(await ask('invite/required/me/elastic/carol')).toBe('conversation_full');
  });
});

it('a conversation deleted while requests run is unknown from then on', async () => {
  await register('required', 'short-lived', {}, { me: 'owner' });
  const path = 'invite/required/me/short-lived/bob';
  let over = false;
  const asking = Array.from({ length: 8 }, async () => {
    const answers: string[] = [];
    while (!over) answers.push(await ask(path));
    return answers;
  });
  expect(await ask(path)).toBe('allowed');
  await service.database.query(`DELETE FROM conversations WHERE conversation_id = 'short-lived'`);
  expect(await ask(path)).toBe('conversation_unknown');
  over = true;
  for (const answers of await Promise.all(asking)) {
    // No other answer, and no return.
    const since = answers.indexOf('conversation_unknown');
    const before = since < 0 ? answers : answers.slice(0, since);
    expect(new Set(before)).toEqual(new Set(['allowed']));
    expect(new Set(since < 0 ? [] : answers.slice(since))).toEqual(new Set(since < 0 ? [] : ['conversation_unknown']));
  }
});

describe('the SQL of docs/backend.md:', () => {
  const guide = readFileSync(new URL('../docs/backend.md', import.meta.url), 'utf8');
  const statements = [...guide.matchAll(/^-- (.*?)\n(.*?;)$(?=\n\n|\n```)/gms)];

  /** Runs the statement that the guide shows under a comment. */
  async function follow(comment: string): Promise<void> {
    const [, , sql] = statements.find(([, said]) => said === comment) ?? [];
    if (sql === undefined) throw new Error(`The guide has no statement "${comment}"`);
    await service.database.query(sql);
  }

  it('each statement does what its comment says', async () => {
    expect(await ask('invite/shop/alice/c1/bob')).toBe('conversation_unknown');
    await follow('conversation made');
    expect(await ask('kick/shop/alice/c1/bob')).toBe('allowed');
    expect(await ask('invite/shop/carol/c1/dave')).toBe('not_permitted');

    await follow('member joined');
    await follow('member joined');
    expect(await ask('invite/shop/carol/c1/dave')).toBe('allowed');
    expect(await ask('kick/shop/carol/c1/bob')).toBe('not_permitted');

    await follow('made manager');
    expect(await ask('kick/shop/carol/c1/bob')).toBe('allowed');
    expect(await ask('kick/shop/alice/c1/carol')).toBe('allowed');

    await follow('left');
    expect(await ask('invite/shop/carol/c1/dave')).toBe('not_permitted');

    await follow('banned for a day');
    await service.database.query(
      `UPDATE client_bans SET created_by = 'another', created_at = '2026-01-01Z' WHERE client_id = 'bob'`,
    );
    await follow('banned for a day');
    const written = `SELECT created_by <> 'another' AND created_at > '2026-01-01Z' AS anew FROM client_bans WHERE client_id = 'bob'`;
    expect(await service.database.query(written)).toEqual([{ anew: true }]);
    expect(await ask('login/shop/bob')).toBe('client_banned');
    const [row] = await service.database.query<{ hours: string }>(
      `SELECT round(extract(epoch FROM banned_until - now()) / 3600) AS hours FROM client_bans WHERE client_id = 'bob'`,
    );
    expect(Number(row?.hours)).toBe(24);

    await follow('ban lifted');
    expect(await ask('login/shop/bob')).toBe('allowed');

    await follow('signed out everywhere');
    await follow('signed out everywhere');
    await follow('all clients signed out');
    await follow('all clients signed out');
    for (const table of ['client_cutoffs', 'app_cutoffs']) {
      const [cutoff] = await service.database.query(`SELECT tokens_before <= now() AS is_past FROM ${table}`);
      expect(cutoff).toEqual({ is_past: true });
    }

    await follow('conversation closed');
    expect(await ask('invite/shop/alice/c1/dave')).toBe('conversation_unknown');
    expect(statements).toHaveLength(9);
  });
});

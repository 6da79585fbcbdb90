import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectAdmin } from '../src/cli/admin.js';
import { judge, type Judgement } from '../src/cli/explain/judge.js';
import { signingParts } from '../src/cli/signing-parts.js';
import { readSettings } from '../src/config/settings.js';
import { parseSignatureRequest } from '../src/signature/signature-request.js';
import { ACTIONS } from '../src/signature/actions.js';
import { CASES } from './conversations/who-may-do-what.js';
import { type Admin, makeAdmin } from './support/admin.js';
import { makeDatabase, type TestDatabase } from './support/database.js';

const SECRETS_KEY = randomBytes(32).toString('base64');

let database: TestDatabase;
let admin: Admin;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  admin = await makeAdmin({ DATABASE_URL: database.url, SECRETS_KEY });
  await database.query(`
    INSERT INTO apps (app_id, name, identity, membership, membership_mode, max_members, disabled) VALUES
      ('off', 'Off', 'none', 'off', 'enforce', 500, false),
      ('where-registered', 'Where', 'none', 'where-registered', 'enforce', 500, false),
      ('required', 'Required', 'none', 'required', 'enforce', 500, false),
      ('shadow', 'Shadow', 'jwt', 'required', 'shadow', 2, false),
      ('closed', 'Closed', 'none', 'off', 'enforce', 500, true)`);
  for (const appId of ['required', 'shadow']) {
    await database.query(
      `INSERT INTO conversations (app_id, conversation_id, invite_rule) VALUES ($1, 'c1', 'manager')`,
      [appId],
    );
    await database.query(`
      INSERT INTO conversation_members VALUES ('${appId}', 'c1', 'alice', 'member'), ('${appId}', 'c1', 'Bob', 'manager')`);
    await database.query(`INSERT INTO client_bans (app_id, client_id, reason) VALUES ($1, 'mallory', 'spam')`, [appId]);
  }
});

afterAll(async () => {
  await database.drop();
  await admin.remove();
});

const explain = (...args: string[]): string[] => ['explain', ...args];
const about = (clientId: string, appId = 'required'): string[] => ['--app-id', appId, '--client-id', clientId];

async function json(...args: string[]): Promise<Judgement> {
  return JSON.parse(await admin.does(explain(...args, '--json'))) as Judgement;
}

describe('explain', () => {
  it('prints each check with what was read, the rows that decide, and the least change that would allow it', async () => {
    const output = await admin.does(
      explain('invite', ...about('alice'), '--conversation-id', 'c1', '--members', 'carol'),
    );
    expect(output.split('\n')).toEqual([
      expect.stringMatching(/^check +│ outcome │ read +$/),
      expect.stringMatching(/^─+┼─+┼─+$/),
      expect.stringMatching(/^app_disabled +│ passes +│ enabled, membership required, enforce +$/),
      expect.stringMatching(/^too_many_members +│ passes +│ 1 of at most 500 +$/),
      expect.stringMatching(/^identity_revoked +│ +│ the app asks for no token +$/),
      expect.stringMatching(/^client_banned +│ passes +│ "alice" is not banned +$/),
      expect.stringMatching(/^member_banned +│ passes +│ no member is banned +$/),
      expect.stringMatching(/^conversation_unknown │ passes +│ "c1" is registered +$/),
      expect.stringMatching(/^not_permitted +│ refuses │ "alice" is member, invite_rule is manager *$/),
      expect.stringMatching(/^conversation_full +│ +│ there is no member_limit +$/),
      expect.stringMatching(/^row of conversations: \{.*"invite_rule":"manager"/),
      expect.stringMatching(/^row of conversation_members: \{.*"role":"member".*"client_id":"alice"/),
      'decision: 403 not_permitted',
      'to allow it: make "alice" a manager; or set invite_rule to member',
      '',
    ] as string[]);
  });

  it('judges suppositions, and then shows no rows', async () => {
    const invite = ['invite', ...about('alice'), '--conversation-id', 'c1', '--members', 'carol'];
    expect(await json(...invite, '--as-if', 'role=manager')).toMatchObject({
      decision: 'allowed',
      signed: true,
      changes: [],
    });
    expect(await json(...invite, '--as-if', 'invite-rule=member')).toMatchObject({ decision: 'allowed', rows: [] });
    expect(await json(...invite, '--as-if', 'banned=yes')).toMatchObject({ decision: 'client_banned', rows: [] });
    expect(await json(...invite, '--as-if', 'membership=off')).toMatchObject({ decision: 'allowed' });
    const limited = ['--as-if', 'role=manager', '--as-if', 'member-limit=2'];
    expect(await json(...invite, ...limited)).toMatchObject({
      decision: 'conversation_full',
      as_if: ['role=manager', 'member-limit=2'],
      changes: ['set member_limit to 3'],
    });
    expect(await json('login', ...about('mallory'), '--as-if', 'banned=no')).toMatchObject({ decision: 'allowed' });
    const join = ['invite', ...about('zoe'), '--conversation-id', 'nowhere'];
    expect(await json(...join, '--as-if', 'join-rule=anyone')).toMatchObject({ decision: 'allowed' });
    for (const wrong of ['role=king', 'role', 'colour=red', 'member-limit=0', '__proto__=1', 'role=toString']) {
      expect((await admin.im(explain(...invite, '--as-if', wrong))).code, wrong).toBe(2);
    }
  });

  it('shows a ban with its reason, and how it would end', async () => {
    const { decision, rows, changes } = await json('login', ...about('mallory'));
    expect(decision).toBe('client_banned');
    expect(rows).toMatchObject([
      { table: 'client_bans', row: { client_id: 'mallory', reason: 'spam', banned_until: null } },
    ]);
    expect(changes).toEqual(['lift the ban of "mallory"']);
    expect(await json('conversion', ...about('alice'), '--members', 'bob:mallory')).toMatchObject({
      decision: 'member_banned',
      rows: [{ row: { client_id: 'mallory' } }],
      changes: ['lift the ban of "mallory"'],
    });
  });

  it('prints nothing that others wrote and that would steer the terminal', async () => {
    await database.query(
      `INSERT INTO client_bans (app_id, client_id, reason) VALUES ('required', 'e\u202eve', E'\\u009b2J\\u001b[2J\\u007f\u202e')`,
    );
    const output = await admin.does(explain('login', ...about('e\u202eve')));
    expect(output).toContain('to allow it: lift the ban of "e ve"\n');
    expect(output.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });

  it('says when no change of rows would allow it: nobody ranks above itself', async () => {
    const output = await admin.does(
      explain('conversation-block-clients', ...about('alice'), '--conversation-id', 'c1', '--members', 'alice'),
    );
    expect(output).toMatch(/\ndecision: 403 not_permitted\nno change of rows would allow it\n$/);
  });

  it('proposes as many changes together as it takes, and of a role no lower one than it takes', async () => {
    await database.query(`
      INSERT INTO conversations (app_id, conversation_id, member_limit) VALUES ('required', 'full', 1), ('required', 'two', 2)`);
    await database.query(`
      INSERT INTO conversation_members VALUES
        ('required', 'full', 'zoe', 'member'), ('required', 'two', 'ann', 'owner'), ('required', 'two', 'ben', 'owner')`);
    await database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('required', 'trudy')`);
    const invite = await json('invite', ...about('mallory'), '--conversation-id', 'full', '--members', 'trudy');
    expect(invite.changes).toContain(
      'lift the ban of "mallory", and lift the ban of "trudy", and make "mallory" a member, and set member_limit to 3',
    );
    const kick = await json('kick', ...about('ann'), '--conversation-id', 'two', '--members', 'ben');
    expect(kick.changes).toEqual(['make "ben" no more than manager']);
  });

  it('of a client that is not there names the member whose id looks like it', async () => {
    const { similar, changes } = await json('invite', ...about('bob'), '--conversation-id', 'c1', '--members', 'carol');
    expect(similar).toBe('Bob');
    expect(changes).toEqual(['make "bob" a manager', 'set invite_rule to anyone']);
    expect(await admin.does(explain('query', ...about('bob'), '--conversation-id', 'c1'))).toContain(
      'there is a member "Bob": ids are compared as they are, case and blanks included\n',
    );
  });

  it('of an unregistered conversation says what to register', async () => {
    const { decision, changes } = await json('query', ...about('zoe'), '--conversation-id', 'nowhere');
    expect(decision).toBe('conversation_unknown');
    expect(changes).toEqual(['register the conversation "nowhere", and make "zoe" a member']);
    expect(
      await json('query', ...about('zoe'), '--conversation-id', 'nowhere', '--as-if', 'registered=yes'),
    ).toMatchObject({ decision: 'not_permitted', changes: ['make "zoe" a member'] });
  });

  it('says what shadow mode signs, the cut-off of the client, and a list that is too long', async () => {
    await database.query(
      `INSERT INTO client_cutoffs (app_id, client_id, tokens_before) VALUES ('shadow', 'alice', '2026-11-26T00:00:00.9Z')`,
    );
    const invite = ['invite', ...about('alice', 'shadow'), '--conversation-id', 'c1', '--members'];
    const judged = await json(...invite, 'carol');
    expect(judged).toMatchObject({ decision: 'not_permitted', signed: true });
    expect(judged.checks[2]).toEqual({
      check: 'identity_revoked',
      passed: null,
      read: 'a token of the client is asked for, and not judged here; tokens issued before 2026-11-26T00:00:00.000Z are refused',
    });
    expect(await admin.does(explain(...invite, 'carol'))).toContain(
      'decision: 403 not_permitted, signed because the membership mode of the app is shadow\n',
    );
    expect(await json(...invite, 'a:b:c')).toMatchObject({ decision: 'too_many_members', signed: false });
    expect(await json('login', ...about('mallory', 'shadow'))).toMatchObject({
      decision: 'client_banned',
      signed: false,
    });
  });

  it('says that a cut-off in the future refuses new tokens, too', async () => {
    await database.query(`
      INSERT INTO client_cutoffs (app_id, client_id, tokens_before) VALUES ('shadow', 'dora', now() + interval '1 hour')`);
    const { decision, signed, changes } = await json('login', ...about('dora', 'shadow'));
    expect({ decision, signed }).toEqual({ decision: 'identity_revoked', signed: false });
    expect(changes).toEqual(['set tokens_before to a time that is past, in client_cutoffs or app_cutoffs']);
    const tooLong = await json('conversion', ...about('dora', 'shadow'), '--members', 'a:b:c');
    // As the service, which looks up nothing for such a list.
    expect(tooLong.decision).toBe('too_many_members');
  });

  it('of an app that is disabled or not there says so', async () => {
    expect(await json('login', ...about('alice', 'closed'))).toMatchObject({
      decision: 'app_disabled',
      changes: ['enable the app: im-signature app enable'],
    });
    expect(await admin.fails(explain('login', ...about('alice', 'nobody')))).toContain('no app "nobody" is registered');
  });

  it('signs nothing', () => {
    expect(admin.said()).not.toMatch(/"signature"|nonce/);
  });
});

describe('for every row of the decision table, explain', () => {
  it('decides as the table says, names the check that refuses, and proposes changes that would allow it', async () => {
    const settings = readSettings({ DATABASE_URL: database.url, SECRETS_KEY });
    await connectAdmin(database.url, settings, async (connected) => {
      const parts = { ...connected, ...(await signingParts(connected)) };
      for (const [index, { name, membership, action, members, rule, roles, expected }] of CASES.entries()) {
        const conversation = `row-${index}`;
        if (rule !== null) {
          const row = { app_id: membership, conversation_id: conversation, ...rule };
          const places = Object.keys(row).map((_, i) => `$${i + 1}`);
          await database.query(
            `INSERT INTO conversations (${Object.keys(row).join()}) VALUES (${places.join()})`,
            Object.values(row),
          );
          for (const [id, role] of Object.entries(roles)) {
            await database.query('INSERT INTO conversation_members VALUES ($1, $2, $3, $4)', [
              ...[membership, conversation, id, role],
            ]);
          }
        }
        const request = parseSignatureRequest(
          action,
          {
            app_id: membership,
            client_id: 'me',
            conversion_id: ACTIONS[action].conversation ? conversation : undefined,
            sorted_member_ids: members,
          },
          {},
        );
        const { decision, checks, changes } = await judge(parts, request, []);
        expect(decision, name).toBe(expected);
        expect(checks.find(({ passed }) => passed === false)?.check ?? 'allowed', name).toBe(expected);
        // Nobody ranks above itself, whatever its role.
        const isNever = /^conversation-(un)?block-clients$/.test(action) && members.split(':').includes('me');
        if (expected === 'allowed') expect(changes, name).toEqual([]);
        else if (!isNever) expect(changes, name).not.toEqual([]);
      }
    });
  });
});

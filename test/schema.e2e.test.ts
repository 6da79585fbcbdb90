import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { built } from './support/built.js';
import { makeDatabase, type TestDatabase } from './support/database.js';
import { startService, type TestService } from './support/service.js';

let service: TestService;

beforeAll(async () => {
  service = await startService();
  await service.database.query(CONVERSATION, ['1', 'registered']);
});

afterAll(async () => {
  await service.close();
});

const REGISTER = `INSERT INTO apps (app_id, name, identity) VALUES ($1, 'An app', 'none')`;
const ADD_KEY = `INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ('1', $1, $2)`;
const SEALED = 'v1.default.AAAA';
const BAN = `INSERT INTO client_bans (app_id, client_id) VALUES ($1, $2)`;
const CONVERSATION = `INSERT INTO conversations (app_id, conversation_id) VALUES ($1, $2)`;
const MEMBER = `INSERT INTO conversation_members (app_id, conversation_id, client_id) VALUES ($1, $2, $3)`;

describe('the database refuses, whoever writes to it,', () => {
  it.each<[string, string, unknown[]]>([
    ['an app id that is empty', REGISTER, ['']],
    ['an app id of 65 characters', REGISTER, ['a'.repeat(65)]],
    ['an app id with a colon', REGISTER, ['a:b']],
    ['an app id with a control character', REGISTER, ['a\u0085b']],
    ['an app id with a newline at its end', REGISTER, ['a\n']],
    ['an app that is there already', REGISTER, ['1']],
    ['an app without an identity', `INSERT INTO apps (app_id, name) VALUES ('x', 'x')`, []],
    ['an unknown identity', `UPDATE apps SET identity = 'password'`, []],
    ['an unknown timestamp format', `UPDATE apps SET timestamp_format = 'iso'`, []],
    ['an unknown membership', `UPDATE apps SET membership = 'on'`, []],
    ['no members at all', `UPDATE apps SET max_members = 0`, []],
    ['a key that is not sealed', ADD_KEY, [2, 'demo-master-key']],
    ['a key of version 0', ADD_KEY, [0, SEALED]],
    ['a version that is there already', ADD_KEY, [1, SEALED]],
    [
      'a key of an app that is not there',
      `INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ('x', 1, 'v1.default.AAAA')`,
      [],
    ],
    ['a ban in an app that is not there', BAN, ['x', 'a']],
    ['a ban of an empty client id', BAN, ['2', '']],
    ['a ban of a client id with a colon', BAN, ['2', 'a:b']],
    ['a second ban of one client', `${BAN}, ($1, $2)`, ['2', 'a']],
    [
      'a ban until infinity, which null says',
      `INSERT INTO client_bans (app_id, client_id, banned_until) VALUES ('2', 'a', 'infinity')`,
      [],
    ],
    ['a conversation in an app that is not there', CONVERSATION, ['x', 'c']],
    ['a conversation id of 65 characters', CONVERSATION, ['2', 'c'.repeat(65)]],
    ['a conversation id with a colon', CONVERSATION, ['2', 'c:d']],
    ['a conversation id with a control character', CONVERSATION, ['2', 'c\u0085']],
    [
      'an unknown rule to join',
      `INSERT INTO conversations (app_id, conversation_id, join_rule) VALUES ('2', 'c', 'member')`,
      [],
    ],
    [
      'an unknown rule to invite',
      `INSERT INTO conversations (app_id, conversation_id, invite_rule) VALUES ('2', 'c', 'nobody')`,
      [],
    ],
    ['no rule to kick', `INSERT INTO conversations (app_id, conversation_id, kick_rule) VALUES ('2', 'c', NULL)`, []],
    [
      'a conversation without a place',
      `INSERT INTO conversations (app_id, conversation_id, member_limit) VALUES ('2', 'c', 0)`,
      [],
    ],
    ['a member of a conversation that is not registered', MEMBER, ['2', 'x', 'a']],
    ['a member id with a newline', MEMBER, ['1', 'registered', 'a\nb']],
    ['a role nobody knows', `INSERT INTO conversation_members VALUES ('1', 'registered', 'a', 'admin')`, []],
  ])('%s', async (_what, sql, values) => {
    await expect(service.database.query(sql, values)).rejects.toThrow(/violates|duplicate/);
  });
});

it('an app id of 64 characters outside the Basic Multilingual Plane is registered as 64 characters', async () => {
  await expect(service.database.query(REGISTER, ['😀'.repeat(64)])).resolves.toEqual([]);
});

it('by default a ban is permanent, members may invite, and managers may kick', async () => {
  await service.database.query(BAN, ['1', 'a']);
  await service.database.query(CONVERSATION, ['1', 'c']);
  await service.database.query(MEMBER, ['1', 'c', 'a']);
  const [row] = await service.database.query(`
    SELECT * FROM client_bans JOIN conversations USING (app_id) JOIN conversation_members USING (app_id)`);
  expect(row).toMatchObject({
    banned_until: null,
    reason: null,
    join_rule: 'invited',
    invite_rule: 'member',
    kick_rule: 'manager',
    member_limit: null,
    role: 'member',
  });
});

describe('an app cannot be deleted while there is', () => {
  it.each([
    ['a ban of it', 'client_bans', [BAN]],
    ['a conversation of it', 'conversations', [CONVERSATION]],
    ['a member in it', 'conversations', [CONVERSATION, MEMBER]],
  ])('%s', async (_what, table, statements) => {
    const appId = `with-${statements.length}-${table}`;
    await service.database.query(REGISTER, [appId]);
    for (const sql of statements) {
      await service.database.query(sql, [appId, 'c', 'a'].slice(0, sql.match(/\$\d/g)?.length));
    }
    await expect(service.database.query('DELETE FROM apps WHERE app_id = $1', [appId])).rejects.toThrow(
      `foreign key constraint "${table}_app_id_fkey"`,
    );
    await service.database.query(`DELETE FROM ${table} WHERE app_id = $1`, [appId]);
    await service.database.query('DELETE FROM apps WHERE app_id = $1', [appId]);
  });
});

it('members go with their conversation', async () => {
  await service.database.query(CONVERSATION, ['1', 'short-lived']);
  await service.database.query(MEMBER, ['1', 'short-lived', 'a']);
  await service.database.query(`DELETE FROM conversations WHERE conversation_id = 'short-lived'`);
  const left = await service.database.query(`SELECT FROM conversation_members WHERE conversation_id = 'short-lived'`);
  expect(left).toEqual([]);
});

it('updated_at follows a change', async () => {
  await service.database.query(`UPDATE apps SET name = 'Renamed' WHERE app_id = '2'`);
  const [row] = await service.database.query<{ later: boolean }>(
    `SELECT updated_at > created_at AS later FROM apps WHERE app_id = '2'`,
  );
  expect(row?.later).toBe(true);
});

it('every table and column says what it is for', async () => {
  const silent = await service.database.query(`
    SELECT c.relname, a.attname
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'im_signature_migrations'
      AND a.attnum > 0 AND NOT a.attisdropped
      AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)`);
  expect(silent).toEqual([]);
});

it('no plain master key is anywhere in the database', async () => {
  await service.registerApp('secretive', 'a-key-in-plain-sight');
  const rows = await service.database.dump();
  expect(rows.length).toBeGreaterThan(4);
  expect(rows.join('\n')).not.toMatch(/a-key-in-plain-sight|demo-master-key/);
});

it('the migrations go down to nothing and up to the same schema again', async () => {
  const { migrate, migrationStatus, revertLast } =
    await built<typeof import('../src/database/migrate.js')>('src/database/migrate.js');
  const database = await makeDatabase('migrated');
  const full = await describeSchema(database);
  const folder = inject('registrations');
  const { length } = await migrationStatus(database.url, folder);
  for (let i = 0; i < length; i++) await revertLast(database.url, folder);
  expect(await describeSchema(database)).toEqual([]);
  await migrate(database.url, folder);
  expect(await describeSchema(database)).toEqual(full);
  await database.drop();
});

/** Columns, constraints, triggers and functions, one line each. */
async function describeSchema(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ line: string }>(`
    SELECT format('%s.%s %s %s %s %s', table_name, column_name, data_type, is_nullable, column_default,
      col_description(format('%I', table_name)::regclass, ordinal_position)) AS line
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'im_signature_migrations'
    UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
      WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'im_signature_migrations'
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1`);
  return rows.map(({ line }) => line);
}

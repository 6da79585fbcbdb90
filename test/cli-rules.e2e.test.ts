import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, makeDatabase } from './support/database.js';
import { type Program, runProgram } from './support/program.js';
import type { Finished } from './support/project.js';

const MAIN = new URL('../dist/src/cli/main.js', import.meta.url).pathname;
const SECRETS_KEY = randomBytes(32).toString('base64');

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  folder = await mkdtemp(join(tmpdir(), 'im-signature-rules-'));
  await database.query(`
    INSERT INTO apps (app_id, name, identity, membership) VALUES
      ('shop', 'Shop', 'none', 'required'), ('near', 'Near', 'none', 'where-registered'), ('off', 'Off', 'none', 'off')`);
});

afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

const environment = (): Record<string, string> => ({ DATABASE_URL: database.url, SECRETS_KEY });

const start = (...args: string[]): Program =>
  runProgram(process.execPath, [MAIN, ...args], environment(), folder);

async function finished(program: Program, input: string | Buffer = ''): Promise<Finished> {
  program.process.stdin?.end(input);
  const code = await program.ends();
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

const im = async (...args: string[]): Promise<Finished> => finished(start(...args));

async function does(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await im(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** @returns the one line that it says. */
async function fails(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await im(...args);
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^im-signature: .*\n$/);
  return stderr;
}

describe('conversation show', () => {
  it('shows the rules, who ranks above a member and how many there are, also of 100,000', async () => {
    await database.query(
      `INSERT INTO conversations VALUES ('shop', 'big', 'anyone', 'manager', 'owner', 200000)`,
    );
    await database.query(`
      INSERT INTO conversation_members
      SELECT 'shop', 'big', 'm' || i, CASE WHEN i <= 2 THEN 'owner' WHEN i <= 150 THEN 'manager' ELSE 'member' END
      FROM generate_series(1, 100000) AS i`);
    const [text, json] = await Promise.all([
      does('conversation', 'show', 'big', '--app-id', 'shop'),
      does('conversation', 'show', 'big', '--app-id', 'shop', '--json'),
    ]);
    expect(text).toMatch(/big +│ anyone +│ manager +│ owner +│ 200000 +│ 100000 +│ 2 +│ 148/);
    expect(text).toMatch(/m1 +│ owner/);
    expect(text.split('\n').length).toBeLessThan(120);
    expect(text).toContain('and 50 more');
    const shown = JSON.parse(json) as { above_members: unknown[] };
    expect(shown).toMatchObject({
      app_id: 'shop',
      conversation_id: 'big',
      membership: 'required',
      join_rule: 'anyone',
      invite_rule: 'manager',
      kick_rule: 'owner',
      member_limit: 200_000,
      members: 100_000,
      owners: 2,
      managers: 148,
    });
    expect(shown.above_members).toHaveLength(100);
    expect(shown.above_members[0]).toEqual({ client_id: 'm1', role: 'owner' });
    await database.query(`DELETE FROM conversations`);
  });

  it('says what the membership of the app makes of a conversation', async () => {
    await database.query(`INSERT INTO conversations (app_id, conversation_id) VALUES ('off', 'there')`);
    const show = (id: string, app: string): string[] => ['conversation', 'show', id, '--app-id', app];
    const [required, near] = await Promise.all([fails(...show('c', 'shop')), fails(...show('c', 'near'))]);
    const [off, there] = await Promise.all([fails(...show('c', 'off')), does(...show('there', 'off'))]);
    const [unknown, bad] = await Promise.all([fails(...show('c', 'nobody')), im(...show('a:b', 'off'))]);
    expect(required).toContain('no conversation "c" is registered in the app "shop"');
    expect(required).toContain('is required, so nobody may join');
    expect(near).toContain('is where-registered, so no rules count in this conversation');
    expect(off).toContain('is off, so no rules count');
    expect(there).toContain('these rules do not count');
    expect(there).toContain('nobody ranks above a plain member');
    expect(unknown).toContain('no app "nobody" is registered');
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain('contains ":"');
  });
});

describe('bans', () => {
  const about = (client: string): string[] => ['--app-id', 'shop', '--client-id', client];

  it('are added, replaced, listed and removed at once', async () => {
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000).toISOString();
    const asked = Date.now();
    const [, first] = await Promise.all([
      does('ban', 'add', ...about('good'), '--reason', 'spam'),
      does('ban', 'add', ...about('bob'), '--for', '1d', '--reason', 'spam'),
    ]);
    expect(first).toMatch(/^"bob" is banned from the app "shop" until \S+Z\n$/);
    const [bob] = await database.query<{ banned_until: Date }>(
      `SELECT banned_until FROM client_bans WHERE client_id = 'bob'`,
    );
    const lasts = (bob?.banned_until.getTime() ?? 0) - asked - 86_400_000;
    expect(lasts).toBeGreaterThanOrEqual(0);
    expect(lasts).toBeLessThan(30_000);

    expect(await does('ban', 'add', ...about('bob'), '--until', until)).toMatch(
      new RegExp(
        `until ${until}\nthis replaces the ban that was there, until \\S+Z, for the reason "spam"\n$`,
      ),
    );
    await database.query(`
      INSERT INTO client_bans VALUES ('shop', 'far', '290000-01-01Z', NULL),
        ('shop', 'over', now() - interval '90 min', E'red \\x1b[31m'), ('shop', 'soon', now() + interval '10 day', NULL)`);
    // As a table of long ago may have it.
    await database.query('ALTER TABLE client_bans DROP CONSTRAINT client_bans_banned_until_check');
    await database.query(`INSERT INTO client_bans VALUES ('shop', 'infinite', 'infinity', NULL)`);

    const [text, json] = await Promise.all([
      does('ban', 'list', '--app-id', 'shop'),
      does('ban', 'list', '--app-id', 'shop', '--json'),
    ]);
    expect(text).toMatch(/over +│ over +│ \S+Z │ since 1 h 30 min/);
    expect(text).toMatch(/soon +│ in force +│ \S+Z │ (10 d|9 d 23 h) left/);
    expect(text).not.toContain('\u001b');
    const bans = JSON.parse(json) as { client_id: string }[];
    const forGood = { banned_until: null, in_force: true, seconds_left: null };
    expect(bans).toMatchObject([
      { client_id: 'bob', banned_until: until, in_force: true, reason: null },
      { client_id: 'far', ...forGood },
      { client_id: 'good', ...forGood, reason: 'spam' },
      { client_id: 'infinite', ...forGood },
      { client_id: 'over', in_force: false },
      { client_id: 'soon', in_force: true },
    ]);

    expect(await does('ban', 'remove', ...about('bob'))).toBe(
      '"bob" is not banned from the app "shop" any more\n',
    );
    expect(await fails('ban', 'remove', ...about('bob'))).toContain(
      '"bob" is not banned from the app "shop"',
    );
  });

  it('that are asked for wrongly are refused', async () => {
    expect(await fails('ban', 'add', '--app-id', 'nobody', '--client-id', 'x')).toContain('no app "nobody"');
    const wrong = [
      [...about('a:b')],
      [...about('x'), '--for', '0d'],
      [...about('x'), '--for', '1.5h'],
      [...about('x'), '--for', '99999999w'],
      [...about('x'), '--until', '2020-01-01T00:00:00Z'],
      [...about('x'), '--until', '2030-01-01T00:00:00'],
      [...about('x'), '--until', '2030-01-01T00:00:00Z', '--for', '1d'],
      ['--app-id', 'shop'],
    ];
    for (let i = 0; i < wrong.length; i += 2) {
      const codes = wrong.slice(i, i + 2).map(async (args) => (await im('ban', 'add', ...args)).code);
      expect(await Promise.all(codes)).toEqual([2, 2]);
    }
    expect(await database.query(`SELECT FROM client_bans WHERE client_id = 'x'`)).toEqual([]);
  });
});

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Client } from 'pg';
import { type TestDatabase, makeDatabase } from './support/database.js';
import { type Program, runProgram } from './support/program.js';
import { DIST } from './support/built.js';
import { type Admin, type Finished, makeAdmin } from './support/admin.js';

const MAIN = join(DIST, 'src/cli/main.js');
const SECRETS_KEY = randomBytes(32).toString('base64');

let database: TestDatabase;
let admin: Admin;
/** The current folder, where the files of memberships are. */
let folder: string;
const home = process.cwd();

beforeAll(async () => {
  database = await makeDatabase('migrated');
  admin = await makeAdmin(environment());
  folder = await mkdtemp(join(tmpdir(), 'im-signature-rules-'));
  process.chdir(folder);
  await database.query(`
    INSERT INTO apps (app_id, name, identity, membership) VALUES
      ('shop', 'Shop', 'none', 'required'), ('near', 'Near', 'none', 'where-registered'), ('off', 'Off', 'none', 'off')`);
});

afterAll(async () => {
  await database.drop();
  await admin.remove();
  process.chdir(home);
  await rm(folder, { recursive: true });
});

const environment = (): Record<string, string> => ({ DATABASE_URL: database.url, SECRETS_KEY });

const start = (...args: string[]): Program => runProgram(process.execPath, [MAIN, ...args], environment(), folder);

const im = async (...args: string[]): Promise<Finished> => admin.im(args);
const does = async (...args: string[]): Promise<string> => admin.does(args);
/** @returns the one line it prints. */
const fails = async (...args: string[]): Promise<string> => admin.fails(args);

async function file(name: string, text: string | Buffer): Promise<string> {
  await writeFile(join(folder, name), text);
  return name;
}

interface Reject {
  line: number;
  reason: string;
  text?: string;
  base64?: string;
}

async function takeRejects(name: string): Promise<Reject[]> {
  const text = await readFile(join(folder, name), 'utf8');
  await rm(join(folder, name));
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Reject);
}

const members = async () =>
  database.query<{ conversation_id: string; client_id: string; role: string }>(
    `SELECT conversation_id, client_id, role FROM conversation_members WHERE app_id = 'shop' ORDER BY 1, 2`,
  );

const conversations = async (...ids: string[]): Promise<unknown> =>
  database.query(`INSERT INTO conversations (app_id, conversation_id) SELECT 'shop', unnest($1::text[])`, [ids]);

/** Waits until as many connections to the database wait in a statement, for a lock or for their client. */
async function isAt(statement: RegExp, waitsFor: 'Lock' | 'Client', connections = 1): Promise<void> {
  const waiting = async (): Promise<boolean> => {
    const running = await database.query<{ query: string }>(
      `SELECT query FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = $1 AND state = 'active'`,
      [waitsFor],
    );
    return running.filter(({ query }) => statement.test(query)).length === connections;
  };
  await vi.waitUntil(waiting, { timeout: 50_000, interval: 10 });
}

const NOT_ENFORCED =
  'warning: nothing of this is enforced: the membership of the app "off" is off; ' +
  'switch it on with im-signature app set --app-id off --membership where-registered\n';

it('the built command is executable, as npx requires', async () => {
  expect((await stat(MAIN)).mode & 0o111).toBe(0o111);
});

it('app list fits 100 columns with the ids and names that apps have', async () => {
  const id = 'BxK8fkp2qkGwxyzlOKDiM0mh-gzGzoHsz';
  await database.query(
    `INSERT INTO apps (app_id, name, identity, membership, disabled)
     VALUES ($1, 'A messenger for shops, staging', 'none', 'where-registered', true)`,
    [id],
  );
  const lines = (await does('app', 'list')).split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  expect(lines).toContainEqual(
    expect.stringMatching(/^BxK8[\w-]+ │ A messenger for sho… │ none: open │ where-registered │ disabled$/),
  );
  await database.query('DELETE FROM apps WHERE app_id = $1', [id]);
});

describe('an app in shadow mode', () => {
  beforeAll(async () => {
    await database.query(`
      INSERT INTO apps (app_id, name, identity, membership, membership_mode)
      VALUES ('trial', 'Trial', 'none', 'required', 'shadow')`);
  });

  it('is shown as such, with a warning after 30 days', async () => {
    expect(await does('app', 'list')).toMatch(/^trial +│ .* │ shadow /m);
    const show = async () => {
      const { stdout, stderr } = await im('app', 'show', 'trial', '--json');
      return { days: (JSON.parse(stdout) as { days_in_shadow: unknown }).days_in_shadow, stderr };
    };
    expect(await show()).toEqual({ days: 0, stderr: '' });
    await database.query(`UPDATE apps SET membership_mode_since = now() - interval '31 days' WHERE app_id = 'trial'`);
    expect(await show()).toEqual({
      days: 31,
      stderr:
        'warning: the app has been in shadow mode for 31 days, and its rules refuse nothing; ' +
        'enforce them with im-signature app set --app-id trial --membership-mode enforce\n',
    });
    await database.query(`UPDATE apps SET membership_mode = 'enforce' WHERE app_id = 'trial'`);
    await database.query(`UPDATE apps SET membership_mode = 'shadow' WHERE app_id = 'trial'`);
    expect(await show()).toEqual({ days: 0, stderr: '' });
  });

  it('has a warning beside its conversations that their rules are not enforced', async () => {
    await database.query(`INSERT INTO conversations (app_id, conversation_id) VALUES ('trial', 'c')`);
    expect((await im('conversation', 'show', 'c', '--app-id', 'trial')).stderr).toBe(
      'warning: nothing of this is enforced yet: the membership mode of the app "trial" is shadow; ' +
        'enforce it with im-signature app set --app-id trial --membership-mode enforce\n',
    );
  });
});

describe('conversation show', () => {
  it('shows the rules, the first 100 owners and managers, and the numbers of members, owners and managers', async () => {
    await database.query(`INSERT INTO conversations VALUES ('shop', 'big', 'anyone', 'manager', 'owner', 200000)`);
    await database.query(`
      INSERT INTO conversation_members
      SELECT 'shop', 'big', 'm' || i, CASE WHEN i <= 2 THEN 'owner' WHEN i <= 150 THEN 'manager' ELSE 'member' END
      FROM generate_series(1, 1000) AS i`);
    const [text, json] = await Promise.all([
      does('conversation', 'show', 'big', '--app-id', 'shop'),
      does('conversation', 'show', 'big', '--app-id', 'shop', '--json'),
    ]);
    expect(text).toMatch(/big +│ anyone +│ manager +│ owner +│ 200000 +│ 1000 +│ 2 +│ 148/);
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
      members: 1_000,
      owners: 2,
      managers: 148,
    });
    expect(shown.above_members).toHaveLength(100);
    expect(shown.above_members[0]).toEqual({ client_id: 'm1', role: 'owner' });
    await database.query(`DELETE FROM conversations`);
  });

  it("says what the app's membership setting means for a conversation", async () => {
    await database.query(`INSERT INTO conversations (app_id, conversation_id) VALUES ('off', 'there')`);
    const show = (id: string, app: string): string[] => ['conversation', 'show', id, '--app-id', app];
    const [required, near] = await Promise.all([fails(...show('c', 'shop')), fails(...show('c', 'near'))]);
    const [off, there] = await Promise.all([fails(...show('c', 'off')), im(...show('there', 'off'))]);
    const json = await im('conversation', 'show', '--conversation-id', 'there', '--app-id', 'off', '--json');
    const [unknown, bad] = await Promise.all([fails(...show('c', 'nobody')), im(...show('a:b', 'off'))]);
    expect(required).toContain('no conversation "c" is registered in the app "shop"');
    expect(required).toContain('is required, so nobody may join');
    expect(near).toContain('is where-registered, so no rules count in this conversation');
    expect(off).toContain('is off, so no rules count');
    expect(off).toContain('switch rules on with im-signature app set --app-id off --membership where-registered');
    expect(there).toMatchObject({ code: 0, stderr: NOT_ENFORCED });
    expect(there.stdout).toContain('no owners and no managers');
    expect(json).toMatchObject({ code: 0, stderr: NOT_ENFORCED });
    expect(JSON.parse(json.stdout)).toMatchObject({ conversation_id: 'there', membership: 'off' });
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
      does('ban', 'add', ...about('amy'), '--reason', 'spam'),
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
      new RegExp(`until ${until}\nthis replaces the earlier ban, until \\S+Z, for the reason "spam"\n$`),
    );
    await database.query(`
      INSERT INTO client_bans VALUES ('shop', 'far', '290000-01-01Z', NULL),
        ('shop', 'over', now() - interval '90 min', E'red \\x1b[31m'), ('shop', 'soon', now() + interval '10 day', NULL)`);
    // Tables made before the constraint may hold it.
    await database.query('ALTER TABLE client_bans DROP CONSTRAINT client_bans_banned_until_check');
    await database.query(`INSERT INTO client_bans VALUES ('shop', 'infinite', 'infinity', NULL)`);

    const [text, json] = await Promise.all([
      does('ban', 'list', '--app-id', 'shop'),
      does('ban', 'list', '--app-id', 'shop', '--json'),
    ]);
    expect(text).toMatch(/^client_id +│ state +│ banned_until +│ time +│ by +│ reason/);
    expect(text).toMatch(/over +│ over +│ \S+Z │ since 1 h 30 min/);
    expect(text).toMatch(/soon +│ in force +│ \S+Z │ (10 d|9 d 23 h) left/);
    expect(text).not.toContain('\u001b');
    const bans = JSON.parse(json) as { client_id: string }[];
    const permanent = { banned_until: null, in_force: true, seconds_left: null };
    expect(bans).toMatchObject([
      { client_id: 'amy', ...permanent, reason: 'spam' },
      { client_id: 'bob', banned_until: until, in_force: true, reason: null },
      { client_id: 'far', ...permanent },
      { client_id: 'infinite', ...permanent },
      { client_id: 'over', in_force: false },
      { client_id: 'soon', in_force: true },
    ]);

    expect(await does('ban', 'remove', ...about('bob'))).toBe('"bob" is not banned from the app "shop" any more\n');
    expect(await fails('ban', 'remove', ...about('bob'))).toContain('"bob" is not banned from the app "shop"');
  });

  it('with a mistake in their options are refused', async () => {
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
    const codes = await Promise.all(wrong.map(async (args) => (await im('ban', 'add', ...args)).code));
    expect(codes).toEqual(wrong.map(() => 2));
    expect(await database.query(`SELECT FROM client_bans WHERE client_id = 'x'`)).toEqual([]);
  });
});

describe('client end', () => {
  const cutoffs = async (table: string) =>
    database.query<{ tokens_before: Date; created_by: string }>(`SELECT * FROM ${table} WHERE app_id = 'tokens'`);

  beforeAll(async () => {
    await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('tokens', 'Tokens', 'jwt')`);
  });

  it('ends the tokens of a client, and bans it where that is asked for; it says what is left to do', async () => {
    const before = Date.now();
    const output = await does('client', 'end', '--app-id', 'tokens', '--client-id', 'böb', '--ban', '1d');
    const [cutoff] = await cutoffs('client_cutoffs');
    const [writer] = await database.query('SELECT current_user AS created_by');
    expect(cutoff).toMatchObject({ client_id: 'böb', ...writer });
    const at = cutoff?.tokens_before ?? new Date(0);
    expect(at.getTime()).toBeGreaterThanOrEqual(before);
    expect(output.split('\n')).toEqual([
      `tokens of "böb" issued before ${at.toISOString().replace(/\d{3}Z$/, '000Z')} count no more in the app "tokens"`,
      expect.stringMatching(/^"böb" is banned from it until \S+Z$/) as string,
      'Left to do at the IM server: connections stay open, and signatures given before are good for 6 hours. ' +
        'Take the client offline there; its master key is asked for:',
      '  POST /1.2/rtm/clients/b%C3%B6b/kick',
      '  X-LC-Id: tokens',
      '  X-LC-Key: <master key>,master',
      '  {"reason": "signed out"}',
      '',
    ]);
    expect(await does('client', 'end', '--app-id', 'tokens', '--client-id', 'böb', '--ban')).toMatch(
      /\nthis replaces the earlier ban, until \S+Z, without a reason\n/,
    );
    const [later] = await cutoffs('client_cutoffs');
    expect(later?.tokens_before.getTime()).toBeGreaterThan(at.getTime());
    expect(await does('ban', 'list', '--app-id', 'tokens')).toMatch(/böb +│ in force │ permanent/);
  });

  it('ends the tokens of all clients of an app', async () => {
    expect(await does('client', 'end', '--app-id', 'tokens', '--all')).toMatch(
      /^tokens of every client issued before /,
    );
    expect(await cutoffs('app_cutoffs')).toHaveLength(1);
  });

  it('leaves a cut-off that is later', async () => {
    await database.query(`UPDATE app_cutoffs SET tokens_before = '2099-01-01Z' WHERE app_id = 'tokens'`);
    expect(await does('client', 'end', '--app-id', 'tokens', '--all')).toContain('before 2099-01-01T00:00:00.000Z');
  });

  it('refuses what it cannot do, and warns where an app asks for no token', async () => {
    expect(await fails('client', 'end', '--app-id', 'nobody', '--client-id', 'bob')).toContain('no app "nobody"');
    const wrong = [
      [],
      ['--all', '--client-id', 'bob'],
      ['--all', '--ban', '1d'],
      ['--client-id', 'bob', '--ban', 'soon'],
    ];
    for (const options of wrong) {
      expect((await im('client', 'end', '--app-id', 'tokens', ...options)).code, options.join(' ')).toBe(2);
    }
    expect((await im('client', 'end', '--app-id', 'shop', '--client-id', 'bob')).stderr).toMatch(
      /^warning: the app "shop" asks for no token, so nothing is ended/,
    );
  });
});

describe('members import', () => {
  beforeEach(async () => {
    await database.query('DELETE FROM conversations');
    await conversations('c1', 'c2');
  });

  const imports = (name: string, ...args: string[]): Promise<Finished> =>
    im('members', 'import', '--app-id', 'shop', name, ...args);

  it('loads the valid lines of CSV, and writes each rejected one to a file with its number and the reason', async () => {
    const long = `c1,${'x'.repeat(20_000)},member`;
    // Each line, and why it is rejected; undefined: it is loaded.
    const lines: [string | Buffer, RegExp?][] = [
      ['c1,alice,owner'],
      ['"c1","bob ""the"", 店 \\N",member'],
      ['c1,alice,owner', /^repeats line 2$/],
      ['c1,alice,member', /^is about the membership of line 2, where the role is owner, which counts$/],
      ['c1,a:b,member', /^client_id contains ":"/],
      ['c1,,member', /^client_id is empty$/],
      [`c1,${'é'.repeat(65)},member`, /^client_id has 65 characters, 64 are allowed$/],
      ['c1,carol,king', /^role is none of owner, manager and member$/],
      ['c1,erin,'],
      ['c1,carol', /^has 2 fields, the header has 3$/],
      ['c1,carol,member,x', /^has 4 fields, the header has 3$/],
      ['', /^is empty$/],
      ['nowhere,carol,member', /^the conversation is not registered in the app$/],
      [Buffer.from('c1,\xff,member', 'latin1'), /^is not UTF-8$/],
      [long, /^has 2001\d bytes, 16384 are allowed; only its beginning is kept here$/],
      ['c1,"two', /^has a quote where/],
      ['lines",member', /^has a quote where/],
      ['c1,ca"rol,member', /^has a quote where RFC 4180 allows none/],
      ['c1,"carol"x,member', /^has a quote where/],
      ['c1,"carol,member', /^has a quote where/],
      ['c2,dave,manager'],
    ];
    const parts = lines.flatMap(([line]) => [Buffer.from(line), Buffer.from('\r\n')]);
    await file('bad.csv', Buffer.concat([Buffer.from('\ufeffconversation_id,client_id,role\r\n'), ...parts]));
    await database.query(`INSERT INTO conversation_members VALUES ('shop', 'c2', 'dave', 'member')`);

    const { code, stdout, stderr } = await imports('bad.csv');
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
    expect(stdout).toBe(
      '21 lines read: 3 added, 1 changed, 0 unchanged, 17 rejected (see bad.csv.rejected.ndjson)\n' +
        '1 lines rejected because their conversations are not registered: ' +
        'register them first, or import these lines with --create-conversations\n',
    );
    expect(await members()).toEqual([
      { conversation_id: 'c1', client_id: 'alice', role: 'owner' },
      { conversation_id: 'c1', client_id: 'bob "the", 店 \\N', role: 'member' },
      { conversation_id: 'c1', client_id: 'erin', role: 'member' },
      { conversation_id: 'c2', client_id: 'dave', role: 'manager' },
    ]);

    const rejects = await takeRejects('bad.csv.rejected.ndjson');
    const numbered = lines.map(([line, reason], i) => ({ line, reason, number: i + 2 }));
    const expected = numbered.filter(({ reason }) => reason !== undefined);
    expect(rejects.map(({ line }) => line)).toEqual(expected.map(({ number }) => number));
    for (const [i, { line, reason }] of expected.entries()) {
      expect(rejects[i]?.reason).toMatch(reason ?? /^$/);
      if (typeof line !== 'string') expect(Buffer.from(rejects[i]?.base64 ?? '', 'base64')).toEqual(line);
      else expect(rejects[i]?.text).toBe(line.slice(0, 16_384));
    }
  });

  it('and export are not cut off by a time limit of the role', async () => {
    const name = new URL(database.url).pathname.slice(1);
    const limits = await database.query<{ name: string }>(
      `SELECT name FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')`,
    );
    for (const limit of limits) await database.query(`ALTER DATABASE ${name} SET ${limit.name} = '100ms'`);
    const lines = new PassThrough();
    lines.write('conversation_id,client_id\n');
    const importing = admin.im(['members', 'import', '--app-id', 'shop', '--format', 'csv', '-'], { stdin: lines });
    // To the passing of the limit nothing else can be awaited.
    setTimeout(() => lines.end('c1,slow\n'), 300);
    expect(await importing).toMatchObject({ code: 0, stdout: expect.stringContaining('1 added') as string });
    expect(await admin.does(['members', 'export', '--app-id', 'shop'])).toContain('c1,slow,member');
    for (const limit of limits) await database.query(`ALTER DATABASE ${name} RESET ${limit.name}`);
  });

  it('loads the valid lines of NDJSON from standard input, and writes the rejected ones to a file', async () => {
    const lines: [string, RegExp?][] = [
      ['{"conversation_id":"c1","client_id":"alice"}'],
      ['{"role":"owner","client_id":"b\\u00f6b\\\\\\"","conversation_id":"c1"}'],
      ['{"conversation_id":"c1","client_id":"x"', /^is no JSON$/],
      ['["c1","x"]', /^is no JSON object$/],
      ['null', /^is no JSON object$/],
      ['{"conversation_id":"c1","client_id":"x","rolle":"owner"}', /^has the unknown field "rolle"$/],
      ['{"conversation_id":"c1","client_id":"x","client_id":"y"}', /^names a field twice$/],
      ['{"conversation_id":"c1"}', /^client_id is missing$/],
      ['{"conversation_id":"c1","client_id":7}', /^client_id is no text$/],
      ['{"conversation_id":"c1","client_id":"x","role":""}', /^role is none of/],
      ['{"conversation_id":"c1","client_id":"\\ud800"}', /^client_id contains half of a surrogate pair$/],
      ['{"conversation_id":"c1","client_id":"a\\u0000"}', /^client_id contains a control character$/],
    ];
    const text = lines.map(([line]) => line).join('\n');
    const { code, stdout, stderr } = await admin.im(
      ['members', 'import', '--app-id', 'shop', '--format', 'ndjson', '-'],
      { input: text },
    );
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
    expect(stdout).toBe('12 lines read: 2 added, 0 changed, 0 unchanged, 10 rejected (see members.rejected.ndjson)\n');
    const rejects = await takeRejects('members.rejected.ndjson');
    expect(rejects.map((reject) => reject.text)).toEqual(lines.slice(2).map(([line]) => line));
    for (const [i, { reason }] of rejects.entries()) expect(reason).toMatch(lines[i + 2]?.[1] ?? /^$/);
    expect((await members()).map(({ client_id, role }) => [client_id, role])).toEqual([
      ['alice', 'member'],
      ['böb\\"', 'owner'],
    ]);
  });

  it('counts the memberships it adds, changes and finds unchanged', async () => {
    const rows = Array.from({ length: 1000 }, (_, i) => `client-${i},c${(i % 2) + 1}`);
    await file('many.csv', ['client_id,conversation_id', ...rows].join('\n'));
    expect((await imports('many.csv')).stdout).toBe(
      '1000 lines read: 1000 added, 0 changed, 0 unchanged, 0 rejected\n',
    );
    expect(existsSync(join(folder, 'many.csv.rejected.ndjson'))).toBe(false);
    await database.query(`DELETE FROM conversation_members WHERE client_id LIKE 'client-1%'`);
    await database.query(`UPDATE conversation_members SET role = 'owner' WHERE client_id LIKE 'client-2%'`);
    expect((await imports('many.csv')).stdout).toBe(
      '1000 lines read: 111 added, 111 changed, 778 unchanged, 0 rejected\n',
    );
  });

  it('registers the conversations that are missing, if that is asked for, and leaves the others as they are', async () => {
    await database.query(`UPDATE conversations SET join_rule = 'anyone' WHERE conversation_id = 'c1'`);
    await file('new.csv', 'conversation_id,client_id\nnew,alice\nc1,alice\nnew,bob\nbad:id,bob\n');
    const { code, stdout } = await imports('new.csv', '--create-conversations');
    expect({ code, stdout }).toEqual({
      code: 3,
      stdout:
        '4 lines read: 3 added, 0 changed, 0 unchanged, 1 rejected (see new.csv.rejected.ndjson)\n' +
        '1 conversations registered, with the default rules\n',
    });
    await takeRejects('new.csv.rejected.ndjson');
    expect(await database.query('SELECT conversation_id, join_rule FROM conversations ORDER BY 1')).toEqual([
      { conversation_id: 'c1', join_rule: 'anyone' },
      { conversation_id: 'c2', join_rule: 'invited' },
      { conversation_id: 'new', join_rule: 'invited' },
    ]);
  });

  it('of which all lines are rejected has exit code 1', async () => {
    await file('all.csv', 'conversation_id,client_id\nnowhere,alice\n');
    const { code, stdout } = await imports('all.csv');
    expect(code).toBe(1);
    expect(stdout).toContain('1 lines read: 0 added, 0 changed, 0 unchanged, 1 rejected (see all.csv.rejected.ndjson)');
    await takeRejects('all.csv.rejected.ndjson');
  });

  it('says that nothing is enforced where the membership of the app is off, and how to change that', async () => {
    await file('off.csv', 'conversation_id,client_id\nloaded,alice\n');
    const { code, stdout, stderr } = await im(
      'members',
      'import',
      '--app-id',
      'off',
      'off.csv',
      '--create-conversations',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: NOT_ENFORCED });
    expect(stdout).toContain('1 lines read: 1 added');
  });

  it('overwrites no existing file, not even the one it reads', async () => {
    const text = 'conversation_id,client_id\nnowhere,alice\nc1,alice\n';
    await file('kept.csv', text);
    for (const rejects of ['kept.csv', './kept.csv']) {
      const { code, stderr } = await imports('kept.csv', '--rejects', rejects);
      expect(code).toBe(1);
      expect(stderr).toMatch(/kept\.csv exists already; move it away/);
    }
    expect(await readFile(join(folder, 'kept.csv'), 'utf8')).toBe(text);
    expect(await members()).toEqual([]);
  });

  it('refuses a file that it cannot read, and a header or a format it does not know', async () => {
    await file('odd.txt', 'conversation_id,client_id\n');
    await file('odd.csv', 'conversation_id,client\nc1,alice\n');
    expect((await imports('odd.txt')).code).toBe(2);
    const refused = (name: string, app = 'shop'): Promise<string> =>
      fails('members', 'import', '--app-id', app, '--format', 'csv', name);
    expect(await refused('odd.csv')).toBe(
      'im-signature: cannot import memberships: the header has the column "client" where client_id is expected; ' +
        'begin the file with a header, such as conversation_id,client_id,role, in UTF-8; nothing was loaded',
    );
    const [missing, aFolder] = await Promise.all([refused('missing.csv'), refused('.')]);
    expect(missing).toContain('missing.csv cannot be read (ENOENT)');
    expect(aFolder).toContain('. cannot be read (EISDIR)');
    const nowhere = await fails('members', 'import', '--app-id', 'nobody', 'odd.csv', '--rejects', 'no/where');
    expect(nowhere, 'before it looks for the app').toContain(
      'the rejected lines cannot be written to no/where (ENOENT); name another with --rejects',
    );
    expect(await refused('odd.csv', 'nobody')).toContain('no app "nobody"');
  });

  it('shows its progress on a terminal, and only there', async () => {
    await file('shown.csv', 'conversation_id,client_id\nc1,alice\n');
    const command = `${process.execPath} ${MAIN} members import --app-id shop shown.csv`;
    const terminal = runProgram(
      'script',
      ['--quiet', '--return', '--command', command, '/dev/null'],
      environment(),
      folder,
    );
    expect(await terminal.ends()).toBe(0);
    expect(terminal.output()).toMatch(/100 % of 0\.0 MB/);
    expect(terminal.output()).toContain('1 lines read: 1 added');
    expect(terminal.output(), 'the cursor is visible again').toContain('\u001b[?25h');
  });

  it('rejects lines about a conversation that is being deleted, and delays further deletions until it ends', async () => {
    await file('deleted.csv', 'conversation_id,client_id\nc1,alice\nc2,bob\n');
    const deletion = await inTheWay(`DELETE FROM conversations WHERE conversation_id = 'c1'`);
    const joining = await inTheWay(`INSERT INTO conversation_members VALUES ('shop', 'c2', 'bob')`);
    const imported = imports('deleted.csv');
    await isAt(/FOR KEY SHARE/, 'Lock');
    await deletion.query('COMMIT');
    await isAt(/INSERT INTO conversation_members/, 'Lock');
    const tooLate = deletion.query(`DELETE FROM conversations WHERE conversation_id = 'c2'`);
    await isAt(/^DELETE FROM conversations/, 'Lock');
    await joining.query('ROLLBACK');
    const { code, stdout } = await imported;
    expect(code).toBe(3);
    expect(stdout).toContain('2 lines read: 1 added, 0 changed, 0 unchanged, 1 rejected');
    await tooLate;
    expect(await members()).toEqual([]);
    await Promise.all([deletion.end(), joining.end()]);
  });

  /** A transaction that holds a lock which the import needs. */
  async function inTheWay(sql: string): Promise<Client> {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query('BEGIN');
    await client.query(sql);
    return client;
  }

  describe('loads nothing, and says so in one line,', () => {
    const HALF = 'conversation_id,client_id\nc1,alice\nnowhere,alice\n';

    async function nothingWasLoaded(program: Program, reason: RegExp): Promise<void> {
      const code = await program.ends();
      const [, told] =
        /^im-signature: cannot import memberships: (.+); nothing was loaded\n$/.exec(program.stderr()) ?? [];
      expect(told, program.stderr()).toMatch(reason);
      expect({ code, stdout: program.stdout() }).toEqual({ code: 1, stdout: '' });
      expect(await members()).toEqual([]);
      expect(await database.query(`SELECT FROM conversations WHERE conversation_id = 'nowhere'`)).toEqual([]);
      expect(existsSync(join(folder, 'half.csv.rejected.ndjson'))).toBe(false);
    }

    function startReading(): Program {
      const program = start('members', 'import', '--app-id', 'shop', '--format', 'csv', '-');
      program.process.stdin?.write(HALF);
      return program;
    }

    it('on SIGTERM and SIGHUP while it reads', async () => {
      const programs = [startReading(), startReading()] as const;
      await isAt(/^COPY/, 'Client', 2);
      programs[0].process.kill('SIGTERM');
      programs[1].process.kill('SIGHUP');
      for (const program of programs) await nothingWasLoaded(program, /^interrupted$/);
    });

    it('on Ctrl-C while it writes, and has PostgreSQL stop', async () => {
      await file('half.csv', HALF);
      const lock = await inTheWay('LOCK TABLE conversation_members IN EXCLUSIVE MODE');
      const program = start('members', 'import', '--app-id', 'shop', 'half.csv');
      await isAt(/INSERT INTO conversation_members/, 'Lock');
      program.process.kill('SIGINT');
      await nothingWasLoaded(program, /^interrupted$/);
      await lock.end();
    });

    it('when the server ends the connection, and says why', async () => {
      const program = startReading();
      await isAt(/^COPY/, 'Client');
      await database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND datname = current_database()`,
      );
      // On a busy machine the network's error may arrive first.
      await nothingWasLoaded(program, /^(terminating connection due to administrator command|write EPIPE)$/);
    });

    it('when the disk is full before all rejected lines are written', async () => {
      await file('half.csv', `conversation_id,client_id\nc1,alice\n${'nowhere,alice\n'.repeat(2000)}`);
      // A limit on the size of a file stands in for a full disk.
      const command = `ulimit -f 8; exec ${process.execPath} ${MAIN} members import --app-id shop --create-conversations half.csv`;
      const program = runProgram('sh', ['-c', command], environment(), folder);
      await nothingWasLoaded(program, /cannot be written to half\.csv\.rejected\.ndjson \(EFBIG\)/);
    });
  });
});

describe('members export', () => {
  it('writes memberships that can be imported again exactly, in either format', async () => {
    await database.query('DELETE FROM conversations');
    const odd = [
      'a,b',
      '"',
      '""',
      ' lead and trail ',
      '😀👩‍👩‍👧',
      '\\',
      '\\N',
      '\\.',
      '=1+1',
      "O'Neill",
      'NULL',
      'e\u0301',
      '\ufeff',
    ];
    await conversations(...odd);
    await database.query(
      `INSERT INTO conversation_members SELECT 'shop', c, m, CASE WHEN c = m THEN 'owner' ELSE 'member' END
       FROM unnest($1::text[]) AS c, unnest($1::text[]) AS m`,
      [odd],
    );
    const all = await members();
    const exported = (...args: string[]): Promise<string> => does('members', 'export', '--app-id', 'shop', ...args);
    const [csv, ndjson] = await Promise.all([exported(), exported('--format', 'ndjson')]);
    const one = await exported('--conversation-id', "O'Neill", '--format', 'ndjson');
    expect(csv).toMatch(/^conversation_id,client_id,role\n/);
    expect(csv).toContain('\n=1+1,=1+1,owner\n');
    const parsed = (text: string) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
    expect(parsed(ndjson)).toEqual(all);
    expect(parsed(one)).toEqual(all.filter(({ conversation_id }) => conversation_id === "O'Neill"));

    for (const [name, text] of [
      ['again.csv', csv],
      ['again.ndjson', ndjson],
    ] as const) {
      await file(name, text);
      await database.query('DELETE FROM conversation_members');
      expect(await does('members', 'import', '--app-id', 'shop', name)).toBe(
        `${all.length} lines read: ${all.length} added, 0 changed, 0 unchanged, 0 rejected\n`,
      );
      expect(await members()).toEqual(all);
    }
  });

  it('succeeds silently when its reader stops early, and reports a write error or an unknown conversation', async () => {
    // More than pipes and streams buffer.
    await database.query(`
      INSERT INTO conversation_members SELECT 'shop', 'a,b', 'm' || i, 'member' FROM generate_series(1, 30000) AS i`);
    const stopped = start('members', 'export', '--app-id', 'shop');
    stopped.process.stdout?.once('data', () => stopped.process.stdout?.destroy());
    const command = `exec ${process.execPath} ${MAIN} members export --app-id shop > /dev/full`;
    const full = runProgram('sh', ['-c', command], environment(), folder);
    expect(await fails('members', 'export', '--app-id', 'shop', '--conversation-id', 'x')).toContain(
      'no conversation "x" is registered in the app "shop"',
    );
    expect(await stopped.ends()).toBe(0);
    expect(stopped.stderr()).toBe('');
    expect(await full.ends()).toBe(1);
    expect(full.stderr()).toBe('im-signature: cannot write the output: ENOSPC\n');
  });
});

it.each(['conversation show', 'ban add', 'members import', 'members export'])(
  '%s --help prints its usage',
  async (command) => {
    const usage = new RegExp(`^Usage: im-signature ${command} \\[options\\]`);
    expect(await does(...command.split(' '), '--help')).toMatch(usage);
  },
);

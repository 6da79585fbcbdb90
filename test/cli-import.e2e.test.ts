import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Admin, type Finished, makeAdmin } from './support/admin.js';
import { DIST } from './support/built.js';
import { makeDatabase, type TestDatabase } from './support/database.js';
import { conversation, exportArchive, exportedClass, exportOf, memberInfo } from './support/leancloud-export.js';
import { type Program, runProgram } from './support/program.js';

const MAIN = join(DIST, 'src/cli/main.js');
const SECRETS_KEY = randomBytes(32).toString('base64');
const REJECTS = 'export.tar.gz.rejected.ndjson';

let database: TestDatabase;
let admin: Admin;
/** The current folder, where the exports are. */
let folder: string;
const home = process.cwd();

beforeAll(async () => {
  database = await makeDatabase('migrated');
  admin = await makeAdmin(environment());
  folder = await mkdtemp(join(tmpdir(), 'im-signature-import-'));
  process.chdir(folder);
  await database.query(`
    INSERT INTO apps (app_id, name, identity, membership) VALUES
      ('shop', 'Shop', 'none', 'where-registered'), ('off', 'Off', 'none', 'off')`);
});

beforeEach(async () => {
  await database.query('DELETE FROM conversations');
  await rm(REJECTS, { force: true });
});

afterAll(async () => {
  await database.drop();
  await admin.remove();
  process.chdir(home);
  await rm(folder, { recursive: true });
});

const environment = (): Record<string, string> => ({ DATABASE_URL: database.url, SECRETS_KEY });
const call = (...args: string[]): string[] => ['import', 'leancloud', '--app-id', 'shop', ...args];
const imports = (...args: string[]): Promise<Finished> => admin.im(call(...args));
const does = (...args: string[]): Promise<string> => admin.does(call(...args));
const fails = (...args: string[]): Promise<string> => admin.fails(call(...args));
const start = (...args: string[]): Program =>
  runProgram(process.execPath, [MAIN, ...call(...args)], environment(), folder);

async function exported(conversations: readonly unknown[], roles: readonly unknown[] = []): Promise<void> {
  await writeFile('export.tar.gz', await exportOf(conversations, roles));
}

async function rejects(): Promise<{ file: string; line: number; reason: string }[]> {
  const text = await readFile(REJECTS, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { file: string; line: number; reason: string });
}

/** As `conversation client role`. */
async function members(): Promise<string[]> {
  const rows = await database.query<{ row: string }>(
    `SELECT concat_ws(' ', conversation_id, client_id, role) AS row FROM conversation_members WHERE app_id = 'shop' ORDER BY 1`,
  );
  return rows.map(({ row }) => row);
}

async function conversations(): Promise<string[]> {
  const rows = await database.query<{ row: string }>(
    `SELECT conversation_id AS row FROM conversations WHERE app_id = 'shop' ORDER BY 1`,
  );
  return rows.map(({ row }) => row);
}

/** A transaction that holds a lock which the import needs. */
async function inTheWay(sql: string): Promise<Client> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('BEGIN');
  await client.query(sql);
  return client;
}

/** Waits until a connection to the database waits in a statement for a lock. */
async function waits(statement: RegExp): Promise<void> {
  const isWaiting = async (): Promise<boolean> => {
    const waiting = await database.query<{ query: string }>(
      `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'`,
    );
    return waiting.some(({ query }) => statement.test(query));
  };
  await vi.waitUntil(isWaiting, { timeout: 50_000, interval: 10 });
}

describe('import leancloud', () => {
  it('registers the ordinary conversations of an archive with their members and roles, and accounts for all else', async () => {
    await database.query(
      `INSERT INTO conversations (app_id, conversation_id, join_rule, kick_rule) VALUES ('shop', 'c2', 'anyone', 'owner')`,
    );
    await database.query(`INSERT INTO conversation_members VALUES ('shop', 'c2', 'dave', 'owner')`);
    const big = Array.from({ length: 501 }, (_, i) => `m${i}`);
    const talks = [
      conversation('c1', ['alice', 'bob', 'carol', 'bob'], { c: 'alice' }),
      conversation('c2', ['alice', 'dave', 'a:b'], { c: 'zoe', unique: true }),
      conversation('room', ['alice'], { tr: true }),
      conversation('news', undefined, { sys: true }),
      conversation('c1', ['mallory'], { c: 'mallory' }),
      conversation('c:3', ['alice']),
      'nonsense',
      conversation('big', big),
    ];
    const roles = [
      memberInfo('c1', 'bob', 'Manager'),
      memberInfo('c1', 'alice', 'Member'),
      memberInfo('c2', 'alice', 'Owner'),
      memberInfo('c2', 'zoe', 'Manager'),
      memberInfo('room', 'alice', 'Manager'),
      memberInfo('c1', 'bob', 'Owner'),
      memberInfo('c1', 'bob', 'King'),
    ];
    await writeFile(
      'export.tar.gz',
      await exportArchive({
        '_User.0.jsonl': exportedClass('_User', [{}, {}]),
        // Before the conversations that they are of.
        '_ConversationMemberInfo.0.jsonl': exportedClass('_ConversationMemberInfo', roles),
        '_Conversation.0.jsonl': exportedClass('_Conversation', talks),
      }),
    );

    const { code, stdout, stderr } = await imports('export.tar.gz');
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      '8 conversations read: 2 registered, 1 were registered before, 1 chat rooms and 1 service conversations ignored, 3 rejected',
      '509 memberships read: 505 added, 1 changed, 0 unchanged, 1 repeated, 1 in rejected conversations, 1 rejected',
      '7 roles read: 3 used, 1 of clients that are not members and 1 in conversations that are not registered ignored, 2 rejected',
      `rejected: see ${REJECTS}`,
      'of the ordinary conversations: 1 unique, 1 of over 500 members',
      'owners that are not members: 1',
      'ids that break the rules: 2',
      'members of chat rooms and service conversations ignored: 1',
      'ignored: 2 lines of the class _User',
      '',
    ]);
    expect((await members()).filter((row) => !row.startsWith('big'))).toEqual([
      'c1 alice owner',
      'c1 bob manager',
      'c1 carol member',
      'c2 alice owner',
      'c2 dave member',
    ]);
    const rules = `SELECT conversation_id, join_rule, invite_rule, kick_rule FROM conversations ORDER BY 1`;
    const defaults = { join_rule: 'invited', invite_rule: 'member', kick_rule: 'manager' };
    expect(await database.query(rules)).toEqual([
      { conversation_id: 'big', ...defaults },
      { conversation_id: 'c1', ...defaults },
      { conversation_id: 'c2', ...defaults, join_rule: 'anyone', kick_rule: 'owner' },
    ]);

    const [talk, info] = ['_Conversation', '_ConversationMemberInfo'].map(
      (name) => `export.tar.gz/export/${name}.0.jsonl`,
    );
    const expected = [
      [info, 7, /^repeats the role of line 2 of export\.tar\.gz\/export\/_ConversationMemberInfo\.0\.jsonl$/],
      [info, 8, /^role is none of Owner, Manager and Member$/],
      [talk, 3, /^a member in m contains ":"/],
      [talk, 6, /^repeats the conversation of line 2 of export\.tar\.gz\/export\/_Conversation\.0\.jsonl$/],
      [talk, 7, /^objectId contains ":"/],
      [talk, 8, /^is no JSON$/],
    ] as const;
    const found = await rejects();
    expect(found.map(({ file, line }) => [file, line])).toEqual(expected.map(([file, line]) => [file, line]));
    for (const [i, { reason }] of found.entries()) expect(reason).toMatch(expected[i]?.[2] ?? /^$/);
  });

  it('reads files of the two classes, too: several at a time, compressed, or as the REST API answers', async () => {
    await writeFile('_Conversation.0.jsonl', exportedClass('_Conversation', [conversation('c1', ['alice', 'bob'])]));
    await writeFile('_Conversation.json', JSON.stringify({ results: [conversation('c2', ['bob'])] }));
    const roles = exportedClass('_ConversationMemberInfo', [
      memberInfo('c1', 'bob', 'Manager'),
      memberInfo('c2', 'bob', 'Owner'),
    ]);
    await writeFile('roles.txt', roles);
    expect(await does('_Conversation.0.jsonl', '_Conversation.json', 'roles.txt')).toContain('2 roles read: 2 used');
    expect(await members()).toEqual(['c1 alice member', 'c1 bob manager', 'c2 bob owner']);
  });

  it('says first what it would do, and writes nothing, not even rejects, with --dry-run', async () => {
    await database.query(`INSERT INTO conversations (app_id, conversation_id) VALUES ('shop', 'c1'), ('shop', 'old')`);
    await database.query(`
      INSERT INTO conversation_members VALUES
        ('shop', 'c1', 'alice', 'member'), ('shop', 'c1', 'dave', 'member'), ('shop', 'old', 'x', 'member')`);
    await exported([conversation('c1', ['alice', 'bob'], { c: 'alice' }), conversation('c2', ['bob']), 'nonsense']);
    const before = await database.dump();
    const dry = await imports('--dry-run', 'export.tar.gz');
    expect(dry).toMatchObject({ code: 3, stderr: '' });
    expect(await database.dump()).toEqual(before);
    expect(existsSync(REJECTS)).toBe(false);
    const [first, ...told] = dry.stdout.split('\n');
    expect(first).toBe('dry run: nothing is written, and this is what would be done');
    expect(told[0]).toContain('3 conversations read: 1 registered, 1 were registered before');
    expect(told[1]).toContain('3 memberships read: 2 added, 1 changed, 0 unchanged');
    expect(told[3]).toBe(
      'not in the export, and kept: 1 members, and 1 conversations with their 1 members; --remove removes them',
    );
    expect(told.at(-2)).toMatch(/^\{"file":"export.+","line":4,"reason":"is no JSON","text":"nonsense"\}$/);

    const real = (await imports('export.tar.gz')).stdout.split('\n');
    expect(
      real.filter((line) => line !== `rejected: see ${REJECTS}`),
      'the same numbers',
    ).toEqual([...told.slice(0, -2), '']);
  });

  it('brings what differs in a later export, and removes what it does not have only with --remove', async () => {
    await exported(
      [
        conversation('c1', ['alice', 'bob', 'carol'], { c: 'alice' }),
        conversation('c2', ['alice', 'bob']),
        conversation('c3', ['alice']),
      ],
      [memberInfo('c1', 'bob', 'Manager')],
    );
    await does('export.tar.gz');
    expect(await does('export.tar.gz')).toContain('6 memberships read: 0 added, 0 changed, 6 unchanged');
    await database.query(`INSERT INTO conversations (app_id, conversation_id) VALUES ('off', 'c2'), ('shop', 'room')`);
    await database.query(`INSERT INTO conversation_members VALUES ('shop', 'room', 'x'), ('off', 'c2', 'x')`);

    await exported(
      [
        conversation('c1', ['alice', 'bob', 'dave'], { c: 'alice' }),
        conversation('c3', 'no array'),
        conversation('c4', ['alice']),
        conversation('room', [], { tr: true }),
      ],
      [memberInfo('c1', 'dave', 'Manager')],
    );
    const kept = await imports('export.tar.gz');
    expect(kept.code).toBe(3);
    expect(kept.stdout).toContain('4 memberships read: 2 added, 1 changed, 1 unchanged');
    expect(kept.stdout).toContain(
      'not in the export, and kept: 1 members, and 1 conversations with their 2 members; --remove removes them',
    );
    expect(await members()).toContain('c1 carol member');

    const removed = await imports('--remove', 'export.tar.gz');
    expect(removed.stdout).toContain(
      'removed, since the export does not have them: 1 members, and 1 conversations with their 2 members',
    );
    expect(await members(), 'c3 is named in the export, and so is the chat room').toEqual([
      'c1 alice owner',
      'c1 bob member',
      'c1 dave manager',
      'c3 alice member',
      'c4 alice member',
      'room x member',
    ]);
    expect(await database.query(`SELECT client_id FROM conversation_members WHERE app_id = 'off'`)).toHaveLength(1);
  });

  it('removes no conversation while a line that cannot be read may name it', async () => {
    await exported([conversation('c1', ['alice', 'bob']), conversation('c2', ['alice'])]);
    await does('export.tar.gz');
    await exported([conversation('c1', ['alice']), '{"objectId":"c2","m":["ali']);
    const { code, stdout } = await imports('--remove', 'export.tar.gz');
    expect(code).toBe(3);
    expect(stdout).toContain('removed, since the export does not have them: 1 members\n');
    expect(stdout).toContain(
      '1 conversations that the export does not name are kept: 1 lines could not be read, and may have named them',
    );
    expect(await members()).toEqual(['c1 alice member', 'c2 alice member']);
  });

  it('refuses to remove all because of an export without an ordinary conversation', async () => {
    await exported([conversation('c1', ['alice'])]);
    await does('export.tar.gz');
    await exported([conversation('room', ['alice'], { tr: true })]);
    expect(await fails('--remove', 'export.tar.gz')).toBe(
      "im-signature: cannot import a LeanCloud export's conversations: the export has no ordinary conversation, so --remove " +
        'would remove all; is it the right file?; nothing was loaded',
    );
    expect(await does('export.tar.gz')).toContain('1 conversations with their 1 members; --remove removes them');
    expect(await members()).toEqual(['c1 alice member']);
  });

  it('can run each night: it replaces the rejects of the last run, and no other file', async () => {
    await exported([conversation('c1', ['alice']), 'first']);
    expect((await imports('export.tar.gz')).code).toBe(3);
    await exported([conversation('c1', ['alice']), conversation('c2', []), 'second']);
    expect((await imports('export.tar.gz')).code).toBe(3);
    expect(await rejects()).toMatchObject([{ line: 4, text: 'second' }]);
    await exported([conversation('c1', ['alice'])]);
    expect((await imports('export.tar.gz')).code).toBe(0);
    expect(existsSync(REJECTS), 'nothing is rejected any more').toBe(false);

    await exported(['bad', 'worse']);
    await writeFile(REJECTS, '');
    expect((await imports('export.tar.gz')).code, 'nothing could be loaded').toBe(1);
    expect(await rejects()).toHaveLength(2);
    await writeFile('mine.ndjson', '{"file":"x","line":"1"}\n');
    for (const path of ['mine.ndjson', 'export.tar.gz', '.']) {
      expect(await fails('export.tar.gz', '--rejects', path)).toMatch(/ exists already; move it away/);
    }
    expect(await readFile('mine.ndjson', 'utf8')).toBe('{"file":"x","line":"1"}\n');
  });

  it('says that nothing is enforced where the membership of the app is off', async () => {
    await exported([conversation('c1', ['alice'])]);
    const { code, stderr } = await admin.im(['import', 'leancloud', '--app-id', 'off', 'export.tar.gz']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: nothing of this is enforced: the membership of the app "off" is off/);
  });

  it('shows its progress on a terminal', async () => {
    await exported([conversation('c1', ['alice'])]);
    const command = `${process.execPath} ${MAIN} ${call('export.tar.gz').join(' ')}`;
    const terminal = runProgram(
      'script',
      ['--quiet', '--return', '--command', command, '/dev/null'],
      environment(),
      folder,
    );
    expect(await terminal.ends()).toBe(0);
    expect(terminal.output()).toMatch(/100 % of 0\.0 MB/);
  });

  describe('loads nothing, and says so in one line,', () => {
    it('of an archive that is cut off', async () => {
      await exported(Array.from({ length: 20_000 }, (_, i) => conversation(`c${i}`, ['alice', `m${i * i}`])));
      await writeFile('export.tar.gz', (await readFile('export.tar.gz')).subarray(0, -9));
      expect(await fails('export.tar.gz')).toMatch(
        /: export\.tar\.gz is cut off; export or copy it again; nothing was loaded$/,
      );
      expect(await conversations()).toEqual([]);
      await exported([]);
    });

    it('of a file that is of another class, or cannot be read, and for an app that is not there', async () => {
      await writeFile('_User.0.jsonl', exportedClass('_User', [{}]));
      await exported([conversation('c1', ['alice'])]);
      expect(await fails('export.tar.gz', '_User.0.jsonl')).toMatch(
        /_User\.0\.jsonl is of the class _User, not _Conversation or _ConversationMemberInfo; nothing was loaded$/,
      );
      expect(await fails('missing.tar.gz')).toContain('missing.tar.gz cannot be read (ENOENT)');
      expect(await admin.fails(['import', 'leancloud', '--app-id', 'nobody', 'export.tar.gz'])).toContain(
        'no app "nobody"',
      );
      expect((await imports()).code).toBe(2);
      expect(await conversations()).toEqual([]);
    });

    it('when it is interrupted or killed while it writes; then it can run again', async () => {
      await exported([conversation('c1', ['alice', 'bob']), 'nonsense']);
      const lock = await inTheWay('LOCK TABLE conversation_members IN EXCLUSIVE MODE');
      const interrupted = start('export.tar.gz');
      await waits(/INSERT INTO conversation_members/);
      interrupted.process.kill('SIGINT');
      expect(await interrupted.ends()).toBe(1);
      expect(interrupted.stderr()).toMatch(/: interrupted; nothing was loaded\n$/);
      const killed = start('export.tar.gz');
      await waits(/INSERT INTO conversation_members/);
      killed.process.kill('SIGKILL');
      await killed.ends();
      await lock.query('ROLLBACK');
      await lock.end();
      // PostgreSQL notices that the client is gone when it answers it.
      await vi.waitUntil(async () => (await imports('export.tar.gz')).code === 3, { timeout: 50_000 });
      expect(await members()).toEqual(['c1 alice member', 'c1 bob member']);
    });

    it('when it is interrupted while nothing comes of what it reads', async () => {
      execFileSync('mkfifo', ['_Conversation.endless.jsonl']);
      const interrupted = start('_Conversation.endless.jsonl');
      const endless = function* (): Generator<string> {
        for (;;) yield '\n'.repeat(1_000);
      };
      const written = pipeline(endless, createWriteStream('_Conversation.endless.jsonl')).catch(
        () => 'nobody reads any more',
      );
      await vi.waitUntil(
        async () =>
          (
            await database.query(
              `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^COPY export_rows'`,
            )
          ).length > 0,
        { timeout: 50_000 },
      );
      interrupted.process.kill('SIGINT');
      expect(await interrupted.ends()).toBe(1);
      expect(interrupted.stderr()).toMatch(/: interrupted; nothing was loaded\n$/);
      expect(await written).toBe('nobody reads any more');
    });

    it('while another import into the same app is under way', async () => {
      await exported([conversation('c1', ['alice'])]);
      await writeFile('members.csv', 'conversation_id,client_id,role\nc1,alice,manager\n');
      const lock = await inTheWay('LOCK TABLE conversation_members IN EXCLUSIVE MODE');
      const first = start('export.tar.gz');
      await waits(/INSERT INTO conversation_members/);
      expect(await fails('export.tar.gz')).toMatch(
        /: another import into the app "shop" is under way; let it end first; nothing was loaded$/,
      );
      expect(await does('--dry-run', 'export.tar.gz'), 'which needs no turn').toContain('1 added');
      const other = admin.im(['members', 'import', '--app-id', 'shop', 'members.csv']);
      await waits(/pg_advisory_xact_lock_shared/);
      await lock.query('ROLLBACK');
      expect(await first.ends()).toBe(0);
      expect(await other, 'waits, and comes after').toMatchObject({ code: 0 });
      expect(await members()).toEqual(['c1 alice manager']);
      await lock.end();
    });
  });

  it('registers a conversation again that the backend deletes meanwhile, and lets none go before it ends', async () => {
    await exported([conversation('c1', ['alice']), conversation('c2', ['bob'])]);
    await does('export.tar.gz');
    await exported([conversation('c1', ['alice']), conversation('c2', ['bob', 'carol'])]);
    const deletion = await inTheWay(`DELETE FROM conversations WHERE conversation_id = 'c1'`);
    const joining = await inTheWay(`INSERT INTO conversation_members VALUES ('shop', 'c2', 'carol')`);
    const imported = imports('export.tar.gz');
    await waits(/FOR KEY SHARE/);
    await deletion.query('COMMIT');
    await waits(/INSERT INTO conversation_members/);
    const tooLate = deletion.query(`DELETE FROM conversations WHERE conversation_id = 'c2'`);
    await waits(/^DELETE FROM conversations/);
    await joining.query('COMMIT');
    const { code, stdout } = await imported;
    expect(code).toBe(0);
    expect(stdout).toContain('2 conversations read: 1 registered, 1 were registered before');
    expect(stdout, 'one of them by the backend').toContain('3 memberships read: 1 added, 0 changed, 2 unchanged');
    await tooLate;
    expect(await members()).toEqual(['c1 alice member']);
    await Promise.all([deletion.end(), joining.end()]);
  });
});

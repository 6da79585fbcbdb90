import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { DIST } from '../support/built.js';
import { type TestDatabase, makeDatabase } from '../support/database.js';
import { type Program, run, runProgram } from '../support/program.js';
import { type Admin, makeAdmin } from '../support/admin.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';

const FIRST_KEY = 'first-master-key-主密钥';
const SECOND_KEY = 'second-master-key';
const SECRETS = /first-master-key|second-master-key|hunter2/;
const READY = /Ready on (http:[\w./:-]+)/;

const newKey = (): string => randomBytes(32).toString('base64');
const OLD = newKey();
const NEW = newKey();

let database: TestDatabase;
let admin: Admin;
/** All that services and terminals wrote. */
let said = '';
const services: Program[] = [];

afterEach(async () => {
  for (const service of services.splice(0)) {
    service.process.kill('SIGTERM');
    await service.ends();
    said += service.output();
  }
  expect(said + admin.said()).not.toMatch(SECRETS);
});

async function serve(env: Record<string, string>): Promise<(path: string) => Promise<Answer>> {
  const service = run('src/main.js', { PORT: '0', DATABASE_URL: database.url, ...env });
  services.push(service);
  const [, url = ''] = await service.prints(READY);
  return async (path) => (await (await fetch(`${url}/signature/${path}`)).json()) as Answer;
}

const REVERT = ['migrate', '--revert', '--yes'];
const isSignedWith = (answer: Answer, key: string): boolean => answer.signature === hmac(messageOf(answer), key);

describe('an app, from its registration to its end', () => {
  const SECRETS_KEY = `old:${OLD}`;

  beforeAll(async () => {
    database = await makeDatabase('empty');
    admin = await makeAdmin({ DATABASE_URL: database.url, SECRETS_KEY });
  });

  afterAll(async () => {
    expect((await database.dump()).join('\n')).not.toMatch(SECRETS);
    await database.drop();
    await admin.remove();
  });

  it('is registered by a migration, and signs with the key that was given', async () => {
    await admin.does(['migrate']);
    const register = ['app', 'register', '--app-id', 'shop/1', '--name', `"O'Neill's" 店`, '--identity', 'none'];
    const said = await admin.does(register, { input: `${FIRST_KEY}\n` });
    const [file = ''] = (await admin.written()).keys();
    expect(file).toMatch(/^\d{13}-register-app-shop-1\.mjs$/);
    expect(said).toContain('Sealing with the key "old" of SECRETS_KEY.');
    expect(said).toContain(`wrote ${join(admin.migrations, file)}`);
    expect(await admin.does(['migrate', '--dry-run'])).toMatch(/^would apply RegisterAppShop1\d{13}\n$/);
    expect(await database.query('SELECT * FROM apps')).toEqual([]);
    expect(await admin.does(['migrate'])).toMatch(/^applied RegisterAppShop1\d{13}\nevery sealed key opens/);
    const ask = await serve({ SECRETS_KEY });
    expect(isSignedWith(await ask('login/shop%2F1/alice'), FIRST_KEY)).toBe(true);
  });

  it('may be registered with the secrets in files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'im-signature-secrets-'));
    await writeFile(join(folder, 'url'), `${database.url}\n`);
    await writeFile(join(folder, 'key'), `${SECRETS_KEY}\n`);
    const withFiles = await makeAdmin({
      DATABASE_URL_FILE: join(folder, 'url'),
      SECRETS_KEY_FILE: join(folder, 'key'),
    });
    const register = ['app', 'register', '--app-id', 'files', '--name', 'x', '--identity', 'none'];
    const { code, stdout } = await withFiles.im(register, { input: FIRST_KEY });
    expect([code, stdout]).toEqual([0, expect.stringContaining('Sealing with the key "old" of SECRETS_KEY_FILE.\n')]);
    await withFiles.remove();
    await rm(folder, { recursive: true });
  });

  it('signs with the key alone when a byte order mark was piped before it', async () => {
    const register = ['app', 'register', '--app-id', 'bom', '--name', 'x', '--identity', 'none'];
    await admin.does(register, { input: `\ufeff${FIRST_KEY}\r\n` });
    await admin.does(['migrate']);
    const sign = ['sign', 'login', '--app-id', 'bom', '--client-id', 'a'];
    expect(isSignedWith(JSON.parse(await admin.does(sign)) as Answer, FIRST_KEY)).toBe(true);
    expect(await admin.does(REVERT)).toMatch(/^reverted RegisterAppBom/);
    for (const name of (await admin.written()).keys()) if (name.includes('bom')) await rm(join(admin.migrations, name));
  });

  it('gets a new key at a time that was set, to the second, without a restart', async () => {
    const hour = new Date(Date.now() + 3_600_000).toISOString();
    const rotate = ['app', 'rotate-key', '--app-id', 'shop/1', '--active-from', hour];
    await admin.does(rotate, { input: SECOND_KEY });
    await admin.does(['migrate']);
    const [key] = await database.query<{ active_from: Date }>(
      'SELECT active_from FROM app_master_keys WHERE version = 2',
    );
    expect(key?.active_from.toISOString()).toBe(hour);

    // The hour is brought near, and the moment crossed while the service signs.
    const ask = await serve({ SECRETS_KEY });
    const begin = Date.now() + 1_500;
    await database.query('UPDATE app_master_keys SET active_from = $1 WHERE version = 2', [new Date(begin)]);
    const answers: Answer[] = [];
    do answers.push(await ask('login/shop%2F1/alice'));
    while (Date.now() < begin + 300);
    const keys = answers.map((answer) => (Number(answer.timestamp) * 1000 < begin ? FIRST_KEY : SECOND_KEY));
    expect(new Set(keys).size).toBe(2);
    expect(answers.filter((answer, i) => !isSignedWith(answer, keys[i] ?? ''))).toEqual([]);
  });

  it('is shown with the versions of its key, and without any of them', async () => {
    const shown = JSON.parse(await admin.does(['app', 'show', 'shop/1', '--json'])) as { keys: { state: string }[] };
    expect(shown).toMatchObject({ app_id: 'shop/1', name: `"O'Neill's" 店`, identity: 'none', key_in_force: 2 });
    expect(shown.keys.map(({ state }) => state)).toEqual(['retired', 'signing']);
    expect(await admin.does(['app', 'show', 'shop/1'])).toContain('signing');
    expect(await admin.does(['app', 'show', 'shop/1'])).toContain('none: open to everyone');
    expect(await admin.does(['app', 'list'])).toContain('none: open');
    expect(await admin.does(['app', 'check'])).toBe('every sealed key opens, and every app has a key that signs\n');
  });

  it('is changed, disabled and enabled by migrations, each of which reverts', async () => {
    const row = async () =>
      (await database.query('SELECT name, max_members, membership_mode AS mode, disabled FROM apps'))[0];
    const before = await row();
    const changes = ['--name', 'Shop', '--max-members', '3', '--membership-mode', 'shadow'];
    await admin.does(['app', 'set', '--app-id', 'shop/1', ...changes]);
    expect(await admin.fails(['app', 'disable', '--app-id', 'shop/1'])).toMatch(
      /: \d+-set-app-shop-1\.mjs about this app is not applied yet; first run "im-signature migrate"/,
    );
    await admin.does(['migrate']);
    expect(await admin.fails(['app', 'set', '--app-id', 'shop/1', '--max-members', '3'])).toContain(
      'already has these values; nothing to do',
    );
    await admin.does(['app', 'disable', '--app-id', 'shop/1']);
    await admin.does(['migrate']);
    expect(await row()).toEqual({ name: 'Shop', max_members: 3, mode: 'shadow', disabled: true });
    expect(await admin.fails(['sign', 'login', '--app-id', 'shop/1', '--client-id', 'a'])).toMatch(/app_disabled/);

    expect(await admin.does(REVERT)).toMatch(/^reverted DisableAppShop1/);
    expect(await admin.does(REVERT)).toMatch(/^reverted SetAppShop1/);
    expect(await row()).toEqual(before);
  });

  it('is sealed anew with another key while nothing stops working', async () => {
    const both = { SECRETS_KEY: `new:${NEW},old:${OLD}` };
    const ask = await serve(both);
    for (const name of (await admin.written()).keys()) {
      if (!/set|disable/.test(name)) continue;
      await rm(join(admin.migrations, name));
    }
    await admin.does(['secrets', 'reseal', '--from', 'old', '--to', 'new'], { env: both });

    expect(isSignedWith(await ask('login/shop%2F1/alice'), SECOND_KEY)).toBe(true);
    await admin.does(['migrate'], { env: both });
    expect(isSignedWith(await ask('login/shop%2F1/alice'), SECOND_KEY)).toBe(true);
    expect(await admin.does(['app', 'check'], { env: { SECRETS_KEY: `new:${NEW}` } })).toContain(
      'every sealed key opens',
    );

    const { code, stdout } = await admin.im(['app', 'check', '--json']);
    expect(code).toBe(1);
    const missing =
      'sealed with key "new", this environment has only "old": SECRETS_KEY must hold it with its id, new:<base64>';
    expect(JSON.parse(stdout)).toEqual([
      { app_id: 'shop/1', fault: `master key 1, which signs no more: ${missing}`, retired: true },
      { app_id: 'shop/1', fault: `master key 2: ${missing}`, retired: false },
    ]);
    expect(await admin.fails(['secrets', 'reseal', '--from', 'old', '--to', 'new'], { env: both })).toContain(
      'nothing is sealed with the key "old"',
    );
  });

  it('goes, with all that was made, when every migration is reverted, and comes back; its conversations hold that up', async () => {
    const rows = async () => database.query('SELECT app_id, version FROM app_master_keys ORDER BY version');
    const before = await rows();
    const { length } = JSON.parse(await admin.does(['migrate', '--status', '--json'])) as unknown[];
    await database.query(`INSERT INTO conversations (app_id, conversation_id) VALUES ('shop/1', 'c')`);
    await database.query(`INSERT INTO conversation_members VALUES ('shop/1', 'c', 'alice')`);
    const schema = [
      'AllowErasedKeys1795699200002',
      'AddCutoffs1795699200001',
      'AddMembershipMode1795699200000',
      'CreateConversationRules1795392000001',
      'CreateApps1795392000000',
    ];
    for (let i = 0; i < length - schema.length - 1; i++) {
      expect(await admin.does(REVERT)).toMatch(/^reverted (Reseal|RotateKey)/);
    }
    expect(await admin.fails(REVERT)).toMatch(
      /RegisterAppShop1\d+ fails \(Key \(app_id\)=\(shop\/1\) is (still )?referenced from table "conversations"\.\); nothing is reverted$/,
    );
    expect(await database.query('SELECT client_id FROM conversation_members')).toHaveLength(1);
    await database.query('DELETE FROM conversations');
    expect(await admin.does(REVERT)).toMatch(/^reverted RegisterApp/);
    for (const name of schema) {
      expect(await admin.fails(REVERT)).toContain(
        `drops tables or data; if you mean that, give its name: --revert ${name}`,
      );
      expect(await admin.does(['migrate', '--revert', name])).toBe(`reverted ${name}\n`);
    }
    expect(await admin.does(REVERT)).toBe('nothing to revert\n');
    expect(await database.query(`SELECT 1 FROM pg_tables WHERE tablename LIKE 'app%'`)).toEqual([]);
    const again = await admin.does(['migrate'], { env: { SECRETS_KEY: `new:${NEW}` } });
    expect(again.match(/^applied /gm)).toHaveLength(length);
    expect(await rows()).toEqual(before);
  });
});

describe('migrate from four processes at once', () => {
  it('applies each migration once', async () => {
    const empty = await makeDatabase('empty');
    const migrations = Array.from({ length: 4 }, () =>
      run('src/cli/main.js', { DATABASE_URL: empty.url, SECRETS_KEY: NEW }, ['migrate']),
    );
    expect(await Promise.all(migrations.map((migration) => migration.ends()))).toEqual(Array(4).fill(0));
    const applied = migrations.flatMap((migration) => migration.output().match(/^applied (\w+)/gm) ?? []);
    const rows = await empty.query('SELECT name FROM im_signature_migrations');
    expect(applied).toHaveLength(rows.length);
    await empty.drop();
  });
});

const REGISTER = ['app', 'register', '--app-id', 'shop', '--name', 'Shop', '--identity', 'none'];

/** A database with an app, which has no key, and a client that is banned from it. */
async function setUp(): Promise<void> {
  database = await makeDatabase('migrated');
  admin = await makeAdmin({ DATABASE_URL: database.url, SECRETS_KEY: `new:${NEW}` });
  await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('there', 'There', 'none')`);
  await database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('there', 'banned')`);
}

async function tearDown(): Promise<void> {
  await database.drop();
  await admin.remove();
}

describe('a command that cannot do what it should', () => {
  // None of them writes anything.
  beforeAll(setUp);
  afterAll(tearDown);

  it.each<[string, string[], string | Buffer, RegExp]>([
    [
      'an app that exists',
      [...REGISTER.slice(0, 3), 'there', ...REGISTER.slice(4)],
      'key',
      /^im-signature: cannot register an app: the app "there" is already registered/,
    ],
    ['an app that does not exist', ['app', 'set', '--app-id', 'x', '--name', 'y'], '', /no app "x" is registered/],
    ['an app that does not exist', ['app', 'rotate-key', '--app-id', 'x'], 'key', /no app "x" is registered/],
    ['a key of zero length', REGISTER, '', /the master key is empty;/],
    ['a key that is only a line break', REGISTER, '\n', /the master key is empty;/],
    ['a key of two lines', REGISTER, 'a\nb\n', /standard input: expected 1 line\(s\) \(master key\), got 2$/],
    [
      'a key with an invisible space',
      REGISTER,
      'key\u200b\n',
      /the master key contains an invisible character \(U\+200B\); take it out$/,
    ],
    [
      'a key with a no-break space',
      REGISTER,
      'my\u00a0key\n',
      /the master key contains an invisible character \(U\+00A0\); take it out$/,
    ],
    ['a key with a byte order mark within', REGISTER, 'a\ufeffb\n', /an invisible character \(U\+FEFF\); take it out$/],
    ['a key with a variation selector', REGISTER, 'key\ufe0f\n', /an invisible character \(U\+FE0F\); take it out$/],
    ['a key with a space at its end', REGISTER, 'key \n', /an invisible character \(U\+0020\); take it out$/],
    ['a key with a control character', REGISTER, 'a\tb\n', /an invisible character \(U\+0009\); take it out$/],
    ['a key that is not UTF-8', REGISTER, Buffer.from([0x61, 0xff]), /the master key is not UTF-8;/],
    [
      'an HMAC secret that is bytes',
      [...REGISTER.slice(0, -1), 'jwt', '--algorithms', 'HS256', '--hmac-secret'],
      Buffer.from([0x61, 0x0a, 0xff]),
      /the master key or the HMAC secret is not UTF-8; .* --hmac-secret-encoding base64$/,
    ],
    ['a client that is banned', ['sign', 'login', '--app-id', 'there', '--client-id', 'banned'], '', /client_banned/],
    [
      'an app without a key',
      ['sign', 'login', '--app-id', 'there', '--client-id', 'a'],
      '',
      /The app has no master key/,
    ],
    [
      'a sealing key that is not there',
      ['secrets', 'reseal', '--from', 'old', '--to', 'new'],
      '',
      /must hold both keys; it holds new$/,
    ],
  ])('%s is one line and exit code 1: %j', async (_fault, args, input, line) => {
    expect(await admin.fails(args, { input })).toMatch(line);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'a SECRETS_KEY of the wrong length',
      { SECRETS_KEY: 'c2hvcnQ=' },
      /SECRETS_KEY: entry 1: not the base64 of 32 bytes/,
    ],
    [
      'a database that is away',
      { DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/im' },
      /PostgreSQL does not answer there/,
    ],
  ])('%s is one line and exit code 1', async (_fault, env, line) => {
    expect(await admin.fails(REGISTER, { input: 'key', env })).toMatch(line);
  });

  it('a folder of registrations that cannot be written is one line and exit code 1', async () => {
    // Not even root makes a file there.
    const { code, stderr } = await admin.im(REGISTER, { input: 'key', env: { MIGRATIONS_DIR: '/sys/kernel' } });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^warning: .*\nim-signature: cannot register an app: user id \d+ cannot write to the folder of registrations, \/sys\/kernel \(E\w+\); let that user .*\n$/,
    );
  });

  it.each([
    ['an unknown command', ['app', 'remove']],
    ['a missing option', ['app', 'register', '--app-id', 'x']],
    ['an unknown choice', ['app', 'register', '--app-id', 'x', '--name', 'x', '--identity', 'password']],
    [
      'an id of a new app with an invisible character',
      ['app', 'register', '--app-id', 'a\u200b', '--name', 'x', '--identity', 'none'],
    ],
    ['an id that breaks the rules', ['app', 'register', '--app-id', 'a:b', '--name', 'x', '--identity', 'none']],
    ['an id that breaks the rules', ['sign', 'login', '--app-id', 'there', '--client-id', 'a:b']],
    ['a time without an offset', ['app', 'rotate-key', '--app-id', 'there', '--active-from', '2027-01-01T00:00:00']],
    ['a time that is past', ['app', 'rotate-key', '--app-id', 'there', '--active-from', '2020-01-01T00:00:00Z']],
    ['nothing to set', ['app', 'set', '--app-id', 'there']],
    ['a key as an argument', ['app', 'register', '--master-key', 'x']],
    ['two ways to migrate', ['migrate', '--revert', '--dry-run']],
    ['JSON of what is not a status', ['migrate', '--json']],
    ['a yes to no question', ['migrate', '--yes']],
  ])('%s is a mistake in the call: exit code 2', async (_mistake, args) => {
    const { code, stdout, stderr } = await admin.im(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toMatch(/\n {4}at /);
    expect((await admin.written()).size).toBe(0);
  });

  it('a reader that closes its output early does not stop it', async () => {
    const program = admin.start(['app', 'list', '--json']);
    program.process.stdout?.destroy();
    expect(await program.ends()).toBe(0);
    expect(program.stderr()).toBe('');
  });
});

describe('registrations that are written', () => {
  beforeEach(setUp);
  afterEach(tearDown);

  it.each([
    [
      'does not parse',
      'export class',
      /1999999999999-broken\.mjs cannot be loaded: .*; mend it, or put it back from git$/,
    ],
    [
      'exports no class',
      'export const a = 1;',
      /it must export one class with up and down, whose name ends with 1999999999999;/,
    ],
    [
      'has the time of another file',
      'export class A1999999999998 { up() {} down() {} }',
      /whose name ends with 1999999999999;/,
    ],
    ['cannot be reverted', 'export class A1999999999999 { up() {} }', /it must export one class with up and down/],
    [
      'exports two classes',
      'export class A1999999999999 { up() {} down() {} } export class B {}',
      /it must export one class/,
    ],
  ])('a registration that %s is one line that names it, and nothing is applied', async (_fault, text, line) => {
    await admin.does(REGISTER, { input: 'key' });
    await writeFile(join(admin.migrations, '1999999999999-broken.mjs'), text);
    expect(await admin.fails(['migrate'])).toMatch(line);
    expect(await database.query(`SELECT FROM apps WHERE app_id = 'shop'`)).toEqual([]);
  });

  it('sealing anew waits for what is written and not applied', async () => {
    await admin.does(REGISTER, { input: 'key' });
    const both = { SECRETS_KEY: `newer:${newKey()},new:${NEW}` };
    const reseal = ['secrets', 'reseal', '--from', 'new', '--to', 'newer'];
    expect(await admin.fails(reseal, { env: both })).toContain('-register-app-shop.mjs is not applied yet');
  });

  it('an app that is opened to everyone is a warning, on the terminal and on top of the migration', async () => {
    const jwt = ['--identity', 'jwt', '--hmac-secret', '--algorithms', 'HS256'];
    const closed = await admin.im([...REGISTER.slice(0, 6), ...jwt], { input: `key\n${'s'.repeat(32)}\n` });
    expect(closed.stderr).toBe('');
    await admin.does(['migrate']);
    const opened = await admin.im(['app', 'set', '--app-id', 'shop', '--identity', 'none']);
    expect(opened.stderr).toMatch(/^warning: the app "shop" will be open to everyone: .*\n$/);
    await admin.does(['migrate']);
    const rotated = await admin.im(['app', 'rotate-key', '--app-id', 'shop'], { input: 'key' });
    expect(rotated.stderr).toBe('');
    const fresh = await admin.im([...REGISTER.slice(0, 3), 'fresh', ...REGISTER.slice(4)], { input: 'key' });
    expect(fresh.stderr).toMatch(/^warning: the app "fresh" will be open to everyone: .*\n$/);

    const firstLines = [...(await admin.written()).values()].map((text) => text.split('\n', 1)[0]);
    const warning = (id: string) =>
      `// WARNING: opens the app "${id}" to everyone: anyone gets a signature as any client.`;
    expect(firstLines).toEqual(['// @ts-check', warning('shop'), '// @ts-check', warning('fresh')]);
  });

  it('an applied migration whose file is gone is shown, cannot be reverted, and is logged by the service', async () => {
    await admin.does(REGISTER, { input: 'key' });
    await admin.does(['migrate']);
    const [[file = '', text = ''] = []] = await admin.written();
    await rm(join(admin.migrations, file));
    const status = JSON.parse(await admin.does(['migrate', '--status', '--json'])) as object[];
    const name = `RegisterAppShop${file.slice(0, 13)}`;
    expect(status.at(-1)).toEqual({ name, state: 'applied, not in this build' });
    expect(await admin.fails(REVERT)).toContain(`${name} was applied last, and this build lacks it: put its file back`);
    await serve({ SECRETS_KEY: `new:${NEW}` });
    expect(services.at(-1)?.output()).toContain(`Migrations are applied that this build lacks: removed from`);
    expect(services.at(-1)?.output()).toContain(`(1): ${name}\n`);

    await writeFile(join(admin.migrations, file), text);
    expect(await admin.does(['migrate', '--status'])).not.toContain('not in this build');
  });

  it('a revert names what it reverts: without --yes only where a terminal can be asked', async () => {
    await admin.does(REGISTER, { input: 'key' });
    await admin.does(['migrate']);
    const { code, stdout, stderr } = await admin.im(['migrate', '--revert']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/: there is no terminal to ask "Revert RegisterAppShop\d{13}, .*"; add --yes to say yes/);
    expect(await admin.fails(['migrate', '--revert', 'CreateApps1795392000000'])).toMatch(
      /only the one that was applied last can be reverted, and that is RegisterAppShop\d{13}, not CreateApps/,
    );
    const [name = ''] = (await admin.written()).keys();
    expect(await admin.does(['migrate', '--revert', `RegisterAppShop${name.slice(0, 13)}`])).toMatch(/^reverted Reg/);
    expect(await database.query(`SELECT FROM apps WHERE app_id = 'shop'`)).toEqual([]);
  });

  it('a registration by hand that drops a table is reverted by its name only', async () => {
    const text = `export class Extra1999999999999 {
      up(runner) { return runner.query('CREATE TABLE extra ()'); }
      down(runner) { return runner.query('DROP TABLE extra'); }
    }`;
    await writeFile(join(admin.migrations, '1999999999999-extra.mjs'), text);
    await admin.im(['migrate']);
    expect(await admin.fails(REVERT)).toContain('give its name: --revert Extra1999999999999');
    expect(await admin.does(['migrate', '--revert', 'Extra1999999999999'])).toBe('reverted Extra1999999999999\n');
  });

  it('a migration that fails is named in one line, what came before it is applied, and the output holds nothing else', async () => {
    await admin.does(REGISTER, { input: 'key' });
    const text = `export class Bad1999999999999 { up(runner) { return runner.query('SELECT nothing'); } down() {} }`;
    await writeFile(join(admin.migrations, '1999999999999-bad.mjs'), text);
    const migration = admin.start(['migrate'], { DATABASE_URL: database.url, SECRETS_KEY: `new:${NEW}` });
    expect(await migration.ends()).toBe(1);
    expect(migration.output()).toMatch(
      /^im-signature: .*Bad1999999999999 fails \(column "nothing" does not exist\); it is rolled back, 1 before it applied: mend or remove it\n$/,
    );
    expect(await database.query(`SELECT name FROM apps WHERE app_id = 'shop'`)).toEqual([{ name: 'Shop' }]);
  });

  it('migrate ends with what app check finds, and fails only for an app that it has just registered', async () => {
    await admin.does(REGISTER, { input: 'key' });
    const env = { SECRETS_KEY: OLD };
    const first = await admin.im(['migrate'], { env });
    expect(first.code).toBe(1);
    expect(first.stdout).toMatch(/^applied RegisterAppShop\d+$/m);
    expect(first.stdout).toContain(
      'shop: master key 1: sealed with key "new", this environment has only "default": SECRETS_KEY must hold it with its id, new:<base64>\n',
    );
    const second = await admin.does(['migrate'], { env });
    expect(second).toContain(`nothing to apply; registrations in ${admin.migrations}: 1\n`);
    expect(second).toContain('shop: master key 1: sealed with key "new"');
  });

  it('two administrators at once write two migrations, and both apply', async () => {
    const other = [...REGISTER.slice(0, 3), 'other', ...REGISTER.slice(4)];
    await Promise.all([admin.does(REGISTER, { input: 'key' }), admin.does(other, { input: 'key' })]);
    const times = [...(await admin.written()).keys()].map((name) => name.slice(0, 13));
    expect(new Set(times).size).toBe(2);
    expect((await admin.does(['migrate'])).match(/^applied /gm)).toHaveLength(2);
  });

  it('of two registrations of one app at once, one is refused', async () => {
    const finished = await Promise.all([admin.im(REGISTER, { input: 'a' }), admin.im(REGISTER, { input: 'b' })]);
    expect(finished.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect((await admin.written()).size).toBe(1);
  });
});

describe('a prompt', () => {
  beforeAll(async () => {
    database = await makeDatabase('migrated');
    admin = await makeAdmin({});
  });

  afterAll(async () => {
    await database.drop();
    await admin.remove();
  });

  /** Registers an app in a terminal of its own and types these answers, each when it is asked for. */
  const type = (...answers: string[]) =>
    inTerminal('app register --app-id shop --name Shop --identity none', [/The master key:/, /once more:/], answers);

  /** Runs a command in a terminal made by script(1). */
  async function inTerminal(args: string, prompts: RegExp[], answers: string[]) {
    const command = `${process.execPath} ${join(DIST, 'src/cli/main.js')} ${args}`;
    const env = { DATABASE_URL: database.url, SECRETS_KEY: NEW, MIGRATIONS_DIR: admin.migrations };
    const terminal = runProgram(
      'script',
      ['--quiet', '--return', '--command', command, '/dev/null'],
      env,
      admin.migrations,
    );
    for (const [i, answer] of answers.entries()) {
      await terminal.prints(prompts[i] ?? /$/);
      terminal.process.stdin?.write(answer);
    }
    const code = await terminal.ends();
    said += terminal.output();
    return { code, screen: terminal.output() };
  }

  it('stays hidden, whatever keys are pressed', async () => {
    const { screen } = await type(`\u0014${FIRST_KEY}\r`, `${FIRST_KEY}\u0003`);
    expect(screen).not.toContain('toggle');
  });

  it('takes a key typed twice alike, and shows none of it', async () => {
    const { code, screen } = await type(`${FIRST_KEY}\r`, `${FIRST_KEY}\r`);
    expect(code, screen).toBe(0);
    const [[name, text] = ['', '']] = await admin.written();
    expect(text).toMatch(/'v1\.default\./);
    await rm(join(admin.migrations, name));
  });

  it('refuses a key typed twice differently', async () => {
    const { code, screen } = await type(`${FIRST_KEY}\r`, `${SECOND_KEY}\r`);
    expect(code).toBe(1);
    expect(screen).toContain('im-signature: cannot register an app: the two are not the same; start again');
    expect((await admin.written()).size).toBe(0);
  });

  it('asks before it reverts, and takes anything but yes for no', async () => {
    await admin.im(['app', 'register', '--app-id', 'asked', '--name', 'x', '--identity', 'none'], {
      input: FIRST_KEY,
      env: { DATABASE_URL: database.url, SECRETS_KEY: NEW },
    });
    await admin.im(['migrate'], { env: { DATABASE_URL: database.url, SECRETS_KEY: NEW } });
    const revert = (answer: string) =>
      inTerminal('migrate --revert', [/Revert RegisterAppAsked\d{13}, .*\[y\/N\]/], [answer]);
    for (const no of ['\r', '\u0003', 'nope\r']) {
      const { code, screen } = await revert(no);
      expect(code, screen).toBe(1);
      expect(screen).toContain('cancelled; nothing was reverted');
    }
    const { code, screen } = await revert('y\r');
    expect(code, screen).toBe(0);
    expect(screen).toMatch(/reverted RegisterAppAsked\d{13}/);
    for (const name of (await admin.written()).keys()) await rm(join(admin.migrations, name));
  });

  it('writes nothing after Ctrl-C', async () => {
    const { code, screen } = await type('half-a-k\u0003');
    expect(code).toBe(1);
    expect(screen).toContain('im-signature: cannot register an app: cancelled; nothing was written');
    expect((await admin.written()).size).toBe(0);
  });
});

describe('commands for trying things out', () => {
  beforeAll(async () => {
    database = await makeDatabase('migrated');
    admin = await makeAdmin({ DATABASE_URL: database.url, SECRETS_KEY: NEW });
    await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('1', 'One', 'none')`);
    await database.query(`INSERT INTO app_master_keys VALUES ('1', 1, $1)`, [
      seal(FIRST_KEY, masterKeyPurpose('1', 1), parseSecretsKey(NEW)),
    ]);
  });

  afterAll(tearDown);

  it('secrets new prints a key with an id of its own', async () => {
    const program = run('src/cli/main.js', {}, ['secrets', 'new']);
    expect(await program.ends()).toBe(0);
    expect(program.output()).toMatch(/^k\d{8}-[0-9a-f]{4}:[A-Za-z0-9+/]{43}=\n$/);
  });

  it.each([
    ['login', [], /^1:a::\d+\.\d+:\w{8}\n/],
    ['conversion', ['--members', 'b:c'], /^1:a:b:c:\d+\.\d+:\w{8}\n/],
    ['invite', ['--conversion-id', 'c', '--members', 'b'], /^1:a:c:b:\d+\.\d+:\w{8}:invite\n/],
    ['kick', ['--conversion-id', 'c', '--members', 'b', '--format', 'sdk'], /^1:a:c:b:\d{13}:\w{8}:kick\n/],
  ])('sign %s explains the message it signs', async (action, args, message) => {
    const said = await admin.does(['sign', action, '--app-id', '1', '--client-id', 'a', ...args, '--explain']);
    expect(said).toMatch(message);
    const [explained = '', ...rest] = said.split('\n');
    expect((JSON.parse(rest.join('\n')) as Answer).signature).toBe(hmac(explained, FIRST_KEY));
  });

  describe('diagnose', () => {
    const TIME = String(Date.now());
    const diagnose = (message: string, ...more: string[]) => {
      const given = [
        '--app-id',
        '1',
        '--client-id',
        'a',
        '--members',
        'c:b',
        '--timestamp',
        TIME,
        '--nonce',
        'cdXsciFc',
      ];
      return admin.im(['diagnose', 'invite', ...given, '--signature', hmac(message, FIRST_KEY), ...more]);
    };

    it('says that a signature is right', async () => {
      const message = `1:a:c1:b:c:${TIME}:cdXsciFc:invite`;
      const { code, stdout } = await diagnose(message, '--conversation-id', 'c1');
      expect({ code, stdout }).toEqual({
        code: 0,
        stdout: `This signature is right: the IM server computes the same for this operation.\nTo be signed: ${message}\n`,
      });
    });

    it('says which mistake explains it, in words and as JSON, with exit code 1', async () => {
      const message = `1:a:c1:b:c:${TIME}:cdXsciFc:add`;
      const { code, stdout } = await diagnose(message, '--conversation-id', 'c1');
      expect({ code, stdout }).toEqual({
        code: 1,
        stdout: expect.stringMatching(/^Another word was signed /) as string,
      });
      const asJson = await diagnose(message, '--conversation-id', 'c1', '--json');
      expect(asJson.code).toBe(1);
      expect(JSON.parse(asJson.stdout)).toMatchObject({
        verdict: 'mistaken',
        mistakes: ['action_word'],
        time: 'in time',
      });
    });

    it('asks for a conversation that was forgotten', async () => {
      const { code, stderr } = await diagnose('');
      expect(code).toBe(1);
      expect(stderr).toContain('invalid_conversion_id: No conversation is named; "invite" takes one.');
    });
  });

  it.each([[[]], [['app']], [['app', 'register']], [['migrate']], [['secrets', 'reseal']], [['sign', 'kick']]])(
    'im-signature %j --help explains itself',
    async (args) => {
      expect(await admin.does([...args, '--help'])).toMatch(/^Usage: im-signature/);
    },
  );
});

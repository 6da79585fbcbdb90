import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { DEMO_MASTER_KEY } from '../src/demo.js';
import { masterKeyPurpose, seal } from '../src/apps/sealing.js';
import { parseSecretsKey } from '../src/config/secrets-key.js';
import { DIST } from './support/built.js';
import { makeDatabase, type TestDatabase } from './support/database.js';
import { administer, databaseUrl } from './support/postgres.setup.js';
import { proxyTo, type TcpProxy } from './support/tcp-proxy.js';
import { type Program, run, runProgram } from './support/program.js';
import { type Answer, hmac, messageOf } from './support/signature.js';

const MAIN = 'src/main.js';
const CLI = 'src/cli/main.js';
/** Far longer than it takes. */
const EVENTUALLY = { timeout: 30_000 };
const IN_A_NEW_FOLDER = 'in a new folder';
const READY = /Ready on (http:[\w./:-]+)/;

let folder: string;
const started: Program[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'im-signature-start-'));
  // As root, PostgreSQL runs under another account, which has to reach its data.
  await chmod(folder, 0o755);
});

afterEach(async () => {
  for (const program of started.splice(0)) {
    // Killed, it would leave its embedded PostgreSQL running.
    program.process.kill('SIGTERM');
    await program.ends();
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 20 });
});

function start(env: Record<string, string>): Program {
  const program = run(MAIN, { PORT: '0', DATA_DIR: join(folder, 'data'), ...env });
  started.push(program);
  return program;
}

/** Commands of all processes whose command line names the folder. */
async function processesOn(path: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const commands = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return commands.filter((command) => command.includes(path));
}

describe('without any setting', () => {
  /** The data of a service that has started, and ended, once. */
  let data: string;

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'im-signature-start-data-'));
    await chmod(data, 0o755);
    const service = run(MAIN, { PORT: '0', DATA_DIR: data });
    await service.prints(READY);
    service.process.kill('SIGTERM');
    expect(await service.ends()).toBe(0);
  });

  afterAll(() => rm(data, { recursive: true }));

  beforeEach(async ({ task }) => {
    // With owners and modes.
    if (!task.name.startsWith(IN_A_NEW_FOLDER)) {
      await promisify(execFile)('cp', ['-a', data, join(folder, 'data')]);
    }
  });

  it(`${IN_A_NEW_FOLDER} starts with demo apps, and the line on the console gets a signature`, async () => {
    const service = start({});
    const [, address] = await service.prints(/^\s+curl (http:\S+)$/m);
    const response = await fetch(address ?? '');
    const answer = (await response.json()) as Answer;
    expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_MASTER_KEY));
    expect(
      (await fetch(address ?? '', { headers: { origin: 'https://any.example' } })).headers.get(
        'access-control-allow-origin',
      ),
    ).toBe('*');
    expect(((await stat(join(folder, 'data', 'secrets.key'))).mode & 0o777).toString(8)).toBe('600');
  });

  it('prints a token of alice, which gets signatures of app 3 for alice only', async () => {
    const service = start({});
    const [, token = '', address = ''] = await service.prints(
      /^\s+curl -H 'Authorization: Bearer (\S+)' (http:\S+\/alice)$/m,
    );
    const headers = { authorization: `Bearer ${token}` };
    const answer = (await (await fetch(address, { headers })).json()) as Answer;
    expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_MASTER_KEY));
    expect((await fetch(address)).status).toBe(401);
    expect((await fetch(address.replace('alice', 'bob'), { headers })).status).toBe(403);
    expect(service.output()).toContain('so that anyone can log in as anyone (2): 1, 2\n');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('%s ends it with code 0 and leaves no process behind', async (signal) => {
    const service = start({});
    await service.prints(READY);
    expect(await processesOn(folder)).not.toEqual([]);
    service.process.kill(signal);
    expect(await service.ends()).toBe(0);
    expect(await processesOn(folder)).toEqual([]);
    expect(service.stderr()).toBe('');
  });

  it('after kill -9 the next start has the data, its key included', async () => {
    const first = start({});
    await first.prints(READY);
    first.process.kill('SIGKILL');
    await first.ends();
    const second = start({ NODE_ENV: 'production' });
    const [, url] = await second.prints(READY);
    const answer = (await (await fetch(`${url ?? ''}/signature/login/2/a`)).json()) as Answer;
    expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_MASTER_KEY));
  });

  it('two at once on one folder share one database', async () => {
    const services = [start({}), start({})];
    for (const service of services) {
      const [, url] = await service.prints(READY);
      expect((await fetch(`${url ?? ''}/signature/login/1/a`)).status).toBe(200);
    }
  });

  it('ends, and says so, when its PostgreSQL is killed', async () => {
    const service = start({});
    await service.prints(READY);
    const [pid = ''] = (await readFile(join(folder, 'data', 'postgres', 'postmaster.pid'), 'utf8')).split('\n');
    process.kill(Number(pid), 'SIGKILL');
    await service.prints(/The embedded PostgreSQL has ended/);
    expect(await service.ends()).toBe(1);
  });

  it('leaves no process behind when the start fails', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const service = start({ PORT: String((other.address() as AddressInfo).port) });
    expect(await service.ends()).toBe(1);
    expect(service.stderr()).toMatch(/^im-signature did not start\. PORT: cannot listen .*\n$/);
    expect(await processesOn(folder)).toEqual([]);
    other.close();
  });

  it('starts whatever PG… variables of libpq the shell has', async () => {
    const service = start({
      PGSSLMODE: 'require',
      PGOPTIONS: '-c search_path=other -c statement_timeout=1',
      PGUSER: 'nobody',
      PGSSLNEGOTIATION: 'direct',
      PGREPLICATION: 'database',
      PGHOST: 'nowhere.example',
    });
    const [, url] = await service.prints(READY);
    expect((await fetch(`${url ?? ''}/signature/login/1/a`)).status).toBe(200);
  });

  it(`${IN_A_NEW_FOLDER} makes no demo app in production`, async () => {
    const service = start({ NODE_ENV: 'production' });
    const [, url] = await service.prints(READY);
    expect((await fetch(`${url ?? ''}/signature/login/1/a`)).status).toBe(404);
    expect(service.output()).toContain(`No DATABASE_URL: data is in ${join(folder, 'data')}`);
  });

  it('does not start when the kept key is not the one that sealed the data', async () => {
    await rm(join(folder, 'data', 'secrets.key'));
    const service = start({});
    expect(await service.ends()).toBe(1);
    expect(service.stderr()).toMatch(/^im-signature did not start\. SECRETS_KEY: decrypts no app's master key; .*\n$/);
  });

  it('signs for what it sealed before a SECRETS_KEY was set', async () => {
    const service = start({ SECRETS_KEY: randomBytes(32).toString('base64') });
    const [, url] = await service.prints(READY);
    expect((await fetch(`${url ?? ''}/signature/login/1/a`)).status).toBe(200);
  });

  it('starts with .env.example as it is', async () => {
    await copyFile(join(DIST, '../.env.example'), join(folder, '.env'));
    const settings = { PORT: '0', DATA_DIR: 'data', MIGRATIONS_DIR: inject('registrations') };
    const service = runProgram(process.execPath, [join(DIST, MAIN)], settings, folder);
    started.push(service);
    await service.prints(READY);
    expect(service.stderr()).toBe('');
  });

  it('says how psql opens its database, which fails, and opens no other, where none runs', async () => {
    const url = () => run(CLI, { DATA_DIR: join(folder, 'data') }, ['database', 'url']);
    const early = url();
    expect(await early.ends()).toBe(1);
    expect(early.stdout()).toBe('');
    expect(early.stderr()).toContain(
      `nothing runs the embedded PostgreSQL in ${join(folder, 'data')}: run "npm start"`,
    );
    const service = start({});
    await service.prints(/URL=\$\(DATA_DIR=\S+ npx im-signature database url\) && psql "\$URL"/);
    await service.prints(READY);
    const late = url();
    expect(await late.ends()).toBe(0);
    expect(late.output()).toMatch(/^postgres:\/\/postgres:\S+@127\.0\.0\.1:\d+\/im_signature\?\S+\n$/);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('%s during the start ends it without a word', async (signal) => {
    const service = start({});
    await vi.waitUntil(async () => (await processesOn(folder)).some((command) => command.includes('-D')), EVENTUALLY);
    service.process.kill(signal);
    const code = await service.ends();
    expect({ code, output: service.output() }).toEqual({ code: 128 + constants.signals[signal], output: '' });
    expect(await processesOn(folder)).toEqual([]);
  });
});

describe('with a DATABASE_URL', () => {
  const SECRETS_KEY = randomBytes(32).toString('base64');
  let database: TestDatabase;
  let env: Record<string, string>;

  let silent: TcpProxy;
  const latin1 = `im_signature_latin1_${randomUUID().replaceAll('-', '')}`;

  beforeAll(async () => {
    database = await makeDatabase('migrated');
    silent = await proxyTo(database.url);
    silent.stopForwarding();
    await administer(
      inject('serverUrl'),
      `CREATE DATABASE ${latin1} TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'`,
    );
    env = { DATABASE_URL: database.url, SECRETS_KEY };
  });

  afterAll(async () => {
    await silent.close();
    await administer(inject('serverUrl'), `DROP DATABASE ${latin1}`);
    await database.drop();
  });

  it('asks to be migrated first, and then starts without any demo app', async () => {
    const empty = await makeDatabase('empty');
    const settings = { ...env, DATABASE_URL: empty.url };
    const early = start(settings);
    expect(await early.ends()).toBe(1);
    const built = await readdir(join(DIST, 'migrations'));
    const all = built.filter((name) => name.endsWith('.js')).length;
    expect(early.stderr()).toMatch(
      new RegExp(
        `^im-signature did not start\\. the database lacks ${all} migration\\(s\\), .*im-signature migrate"\\n$`,
      ),
    );

    const migration = run(CLI, settings, ['migrate']);
    expect(await migration.ends()).toBe(0);
    expect(migration.output()).toMatch(/^applied CreateApps/);

    const service = start(settings);
    const [, url] = await service.prints(READY);
    expect((await fetch(`${url ?? ''}/signature/login/1/a`)).status).toBe(404);
    expect(service.output()).not.toContain('curl');
    await expect(stat(join(folder, 'data'))).rejects.toThrow('ENOENT');
    service.process.kill('SIGTERM');
    await service.ends();
    await empty.drop();
  });

  it('logs why it could not answer, under the id it gave the caller', async () => {
    const service = start(env);
    const [, url = ''] = await service.prints(READY);
    await database.query('ALTER TABLE apps RENAME TO apps_away');
    const response = await fetch(`${url}/signature/login/1/a`);
    await database.query('ALTER TABLE apps_away RENAME TO apps');
    expect(response.status).toBe(503);
    const { request_id } = (await response.json()) as { request_id: string };
    await service.prints(new RegExp(`relation "apps" does not exist request_id=${request_id}`));
  });

  it('names an app whose key does not open, and starts for the others', async () => {
    await database.query(
      `INSERT INTO apps (app_id, name, identity) VALUES ('broken', 'x', 'none'), ('good', 'x', 'none')`,
    );
    const keys = parseSecretsKey(SECRETS_KEY);
    await database.query(
      `INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ('good', 1, $1), ('broken', 1, $1)`,
      [seal('key', masterKeyPurpose('good', 1), keys)],
    );
    const service = start(env);
    const [, url = ''] = await service.prints(READY);
    expect(service.output()).toContain('Master key 1 of app broken: cannot decrypt with key');
    expect((await fetch(`${url}/signature/login/good/a`)).status).toBe(200);
    expect((await fetch(`${url}/signature/login/broken/a`)).status).toBe(503);
  });

  it('names the first ten apps that are open to everyone, and says how many there are', async () => {
    const many = await makeDatabase('migrated');
    await many.query(
      `INSERT INTO apps (app_id, name, identity) SELECT 'app-' || to_char(n, 'FM0000'), 'x', 'none' FROM generate_series(1, 2500) n`,
    );
    await many.query(`INSERT INTO app_master_keys SELECT app_id, 1, $1 FROM apps`, [
      seal('key', masterKeyPurpose('app-0001', 1), parseSecretsKey(SECRETS_KEY)),
    ]);
    const service = start({ ...env, DATABASE_URL: many.url });
    await service.prints(READY);
    expect(service.output()).toContain('(2500): app-0001, app-0002, app-0003, app-0004, app-0005, ');
    expect(service.output()).toContain('app-0010, …\n');
    expect(service.output()).not.toContain('app-0012');
    expect(service.output()).toContain('2499 apps cannot be signed for; the first are named above');
    service.process.kill('SIGTERM');
    await service.ends();
    await many.drop();
  });

  it('warns when its clock is another than that of PostgreSQL, and signs for an app that was registered meanwhile', async () => {
    const fresh = await makeDatabase('migrated');
    await fresh.query(`INSERT INTO apps (app_id, name, identity) VALUES ('fresh', 'x', 'none')`);
    await fresh.query(`INSERT INTO app_master_keys VALUES ('fresh', 1, $1)`, [
      seal('key', masterKeyPurpose('fresh', 1), parseSecretsKey(SECRETS_KEY)),
    ]);
    const hourBehind = `
      const RealDate = Date;
      globalThis.Date = class extends RealDate {
        constructor(...given) { given.length > 0 ? super(...given) : super(RealDate.now() - 3_600_000); }
        static now() { return RealDate.now() - 3_600_000; }
      };`;
    const service = start({
      ...env,
      DATABASE_URL: fresh.url,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hourBehind)}`,
    });
    const [, url = ''] = await service.prints(READY);
    expect(service.output()).toContain("PostgreSQL's clock is 3600 s ahead of this machine's.");
    const answer = (await (await fetch(`${url}/signature/login/fresh/a`)).json()) as Answer;
    expect(answer.signature).toBe(hmac(messageOf(answer), 'key'));
    service.process.kill('SIGTERM');
    await service.ends();
    await fresh.drop();
  });

  it('lets the answer that is under way end, and the connection with it', async () => {
    const migrated = await makeDatabase('migrated');
    await migrated.query(`INSERT INTO apps (app_id, name, identity, disabled) VALUES ('1', 'An app', 'none', true)`);
    const service = start({ ...env, DATABASE_URL: migrated.url });
    const [, url = ''] = await service.prints(READY);
    await migrated.query('BEGIN; LOCK apps');
    const answer = fetch(`${url}/signature/login/1/a`);
    await vi.waitUntil(async () => (await migrated.query('SELECT FROM pg_locks WHERE NOT granted')).length > 0);
    service.process.kill('SIGTERM');
    await vi.waitUntil(
      () =>
        fetch(url).then(
          () => false,
          () => true,
        ),
      EVENTUALLY,
    );
    await migrated.query('COMMIT');
    const { status, headers } = await answer;
    // 503 where all this took longer than a look-up may.
    expect([403, 503]).toContain(status);
    expect(headers.get('connection')).toBe('close');
    await service.ends();
    await migrated.drop();
  });

  it.each<[string, () => Record<string, string>, RegExp]>([
    ['no SECRETS_KEY', () => ({ DATABASE_URL: env.DATABASE_URL ?? '' }), /SECRETS_KEY: is required with DATABASE_URL/],
    ['a malformed DATABASE_URL', () => ({ ...env, DATABASE_URL: 'localhost' }), /DATABASE_URL: must have the form/],
    [
      'a DATABASE_URL where nobody answers',
      () => ({ ...env, DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/im' }),
      /DATABASE_URL: PostgreSQL does not answer there \(ECONNREFUSED\)/,
    ],
    [
      'a DATABASE_URL of a database that is not there',
      () => ({ ...env, DATABASE_URL: databaseUrl(inject('serverUrl'), 'not_there') }),
      /DATABASE_URL: PostgreSQL refuses the connection \(database "not_there" does not exist\)/,
    ],
    [
      'a DATABASE_URL of another kind of server',
      () => ({ ...env, DATABASE_URL: `postgres://u:hunter2@127.0.0.1:${silent.port}/im` }),
      /DATABASE_URL: PostgreSQL does not answer there within 2 s/,
    ],
    [
      'a DATABASE_URL of a database of another encoding',
      () => ({ ...env, DATABASE_URL: databaseUrl(inject('serverUrl'), latin1) }),
      /DATABASE_URL: the database cannot be used \(its encoding is LATIN1; it must be UTF8\)/,
    ],
  ])('%s is one clear line and exit code 1', async (_mistake, mistaken, line) => {
    const service = start(mistaken());
    expect(await service.ends()).toBe(1);
    expect(service.stderr()).toMatch(line);
    expect(service.output().trim().split('\n')).toHaveLength(1);
    expect(service.output()).not.toContain('hunter2');
  });

  it.each([
    [
      'that does not resolve',
      'not-there.invalid',
      /^im-signature did not start\. HOST: getaddrinfo E\w+ not-there\.invalid\n$/,
    ],
    [
      'of another machine',
      '192.0.2.1',
      /^im-signature did not start\. HOST: cannot listen \(.*EADDRNOTAVAIL.*\); choose another HOST\n$/,
    ],
  ])('a HOST %s is one clear line and exit code 1, with metrics, too', async (_what, HOST, line) => {
    for (const metrics of [{}, { METRICS_PORT: '0' }]) {
      const service = start({ ...env, ...metrics, HOST });
      expect(await service.ends()).toBe(1);
      expect(service.output()).toMatch(line);
    }
  });

  it('a role that may not see which migrations are applied is told so, and starts when it may', async () => {
    const role = `reader_${randomUUID().replaceAll('-', '')}`;
    await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'pw'`);
    await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
    await database.query(`REVOKE SELECT ON im_signature_migrations FROM ${role}`);
    const url = new URL(database.url);
    Object.assign(url, { username: role, password: 'pw' });
    const early = start({ ...env, DATABASE_URL: url.href });
    expect(await early.ends()).toBe(1);
    expect(early.output()).toBe(
      `im-signature did not start. the role "${role}" needs SELECT on im_signature_migrations\n`,
    );
    await database.query(`GRANT SELECT ON im_signature_migrations TO ${role}`);
    await database.query(`REVOKE SELECT ON client_bans, conversation_members FROM ${role}`);
    const blind = start({ ...env, DATABASE_URL: url.href });
    expect(await blind.ends()).toBe(1);
    expect(blind.output()).toContain(`the role "${role}" needs SELECT on client_bans, conversation_members\n`);
    await database.query(`GRANT SELECT ON client_bans, conversation_members TO ${role}`);
    const service = start({ ...env, DATABASE_URL: url.href });
    await service.prints(READY);
    service.process.kill('SIGTERM');
    await service.ends();
    await database.query(`DROP OWNED BY ${role}`);
    await database.query(`DROP ROLE ${role}`);
  });

  it('a .env with a byte order mark counts from its first line on, and one that is no UTF-8 stops the start', async () => {
    const text = `DATABASE_URL=${database.url}\nSECRETS_KEY=${SECRETS_KEY}\nPORT=0\n`;
    const startIn = (bytes: Buffer) => {
      writeFileSync(join(folder, '.env'), bytes);
      const environment = { MIGRATIONS_DIR: inject('registrations') };
      const program = runProgram(process.execPath, [join(DIST, MAIN)], environment, folder);
      started.push(program);
      return program;
    };
    const service = startIn(Buffer.from(`\ufeff${text}`));
    await service.prints(READY);
    expect(service.output()).not.toContain('Ctrl-C stops the service and its database');
    expect(await readdir(folder)).toEqual(['.env']);

    service.process.kill('SIGTERM');
    await service.ends();
    const classic = startIn(Buffer.from(text.replaceAll('\n', '\r')));
    await classic.prints(READY);
    expect(await readdir(folder)).toEqual(['.env']);

    const refused = startIn(Buffer.from(`\ufeff${text}`, 'utf16le'));
    expect(await refused.ends()).toBe(1);
    expect(refused.output()).toBe('im-signature did not start. .env: it is not UTF-8\n');
    for (const bytes of [
      Buffer.from(text, 'utf16le'),
      Buffer.from(`\u200b${text}`),
      Buffer.from(`\ufeff\ufeff${text}`),
    ]) {
      const unseen = startIn(bytes);
      expect(await unseen.ends()).toBe(1);
      expect(unseen.output()).toMatch(/^im-signature did not start\. \.env: line \d is not of the form NAME=value\n$/);
    }
  });

  const startHere = (env: Record<string, string>) =>
    runProgram(process.execPath, [join(DIST, MAIN)], { MIGRATIONS_DIR: inject('registrations'), ...env }, folder);

  it.each([
    ['a link that leads nowhere', (file: string) => symlink('nowhere', file), 'ENOENT'],
    ['a folder', (file: string) => mkdir(file), 'EISDIR'],
  ])('a .env that is %s stops the start', async (_, make, code) => {
    await make(join(folder, '.env'));
    const service = startHere({});
    expect(await service.ends()).toBe(1);
    expect(service.output()).toBe(`im-signature did not start. .env: it cannot be read (${code})\n`);
  });

  it.each([
    ['in the form of YAML', (url: string) => `DATABASE_URL: ${url}\nSECRETS_KEY: ${SECRETS_KEY}\n`, /line 1 is not/],
    ['in the form of PowerShell', (url: string) => `# it\n$env:DATABASE_URL="${url}"\n`, /line 2 is not/],
    ['with a quote that does not end', (url: string) => `LOG_LEVEL="info\nDATABASE_URL=${url}\n`, /LOG_LEVEL: must/],
    ['without a value', () => 'DATABASE_URL\n', /line 1 is not/],
  ])('a .env %s starts no empty database in production, and is not repeated', async (_, text, fault) => {
    writeFileSync(join(folder, '.env'), text(database.url));
    const service = startHere({ NODE_ENV: 'production' });
    expect(await service.ends()).toBe(1);
    expect(service.output()).toMatch(fault);
    expect(service.output()).not.toMatch(/postgres:\/\/|=$/m);
    expect(await readdir(folder)).toEqual(['.env']);
  });

  it('a line of a .env that sets nothing stops the start, also as the last one, and part of a value does not', async () => {
    const text = `MOTTO="first\nsecond # line\nlast" # of another program\n\n# none\nexport PORT=0\n`;
    writeFileSync(join(folder, '.env'), `${text}DATABASE_URL=${database.url}\nSECRETS_KEY=${SECRETS_KEY}\n`);
    const service = startHere({});
    started.push(service);
    await service.prints(READY);

    writeFileSync(join(folder, '.env'), `${text}TRUST_PROXY: 10.0.0.1\n`);
    const refused = startHere({});
    started.push(refused);
    expect(await refused.ends()).toBe(1);
    expect(refused.output()).toBe('im-signature did not start. .env: line 7 is not of the form NAME=value\n');
    expect(await readdir(folder)).toEqual(['.env']);
  });

  it('PGOPTIONS of the shell reach no connection', async () => {
    await database.query("INSERT INTO apps (app_id, name, identity) VALUES ('shop', 'Shop', 'none')");
    const program = run(CLI, { ...env, PGOPTIONS: '-c search_path=nowhere' }, [
      'members',
      'export',
      '--app-id',
      'shop',
    ]);
    await program.ends();
    expect(program.output()).toBe('conversation_id,client_id,role\n');
    await database.query("DELETE FROM apps WHERE app_id = 'shop'");
  });

  it('goes on without a log when the reader of its log ends', async () => {
    const service = start({ ...env, LOG_LEVEL: 'debug' });
    const [, url = ''] = await service.prints(READY);
    service.process.stdout?.destroy();
    service.process.stderr?.destroy();
    await database.query('ALTER TABLE client_bans RENAME TO client_bans_away');
    for (let i = 0; i < 5; i++) expect((await fetch(`${url}/signature/login/good/a`)).status).toBe(503);
    await database.query('ALTER TABLE client_bans_away RENAME TO client_bans');
    expect((await fetch(`${url}/signature/login/good/a`)).status).toBe(200);
  });

  it('ends when npm start is told to', async () => {
    const npm = runProgram(
      'npm',
      ['start', '--ignore-scripts'],
      { ...env, PORT: '0', MIGRATIONS_DIR: inject('registrations') },
      join(DIST, '..'),
    );
    started.push(npm);
    const [, url = ''] = await npm.prints(READY);
    npm.process.kill('SIGTERM');
    await npm.ends();
    await expect(fetch(url)).rejects.toThrow();
  });

  it('a PORT in use is one clear line and exit code 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const PORT = String((other.address() as AddressInfo).port);
    const service = start({ ...env, PORT });
    expect(await service.ends()).toBe(1);
    expect(service.output()).toBe(
      `im-signature did not start. PORT: cannot listen (listen EADDRINUSE: address already in use 127.0.0.1:${PORT}); choose another PORT\n`,
    );
    other.close();
  });
});

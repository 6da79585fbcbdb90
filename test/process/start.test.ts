import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { DIST } from '../support/built.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { type Program, run, runProgram } from '../support/program.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';
import { CLI, eachInItsFolder, MAIN, READY, stop } from '../support/start.js';

/** Far longer than it takes. */
const EVENTUALLY = { timeout: 30_000 };
const SECRETS_KEY = randomBytes(32).toString('base64');

let database: TestDatabase;
let env: Record<string, string>;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  env = { DATABASE_URL: database.url, SECRETS_KEY };
});

afterAll(() => database.drop());

const { folder, start, ending } = eachInItsFolder();

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
  await expect(stat(join(folder(), 'data'))).rejects.toThrow('ENOENT');
  await stop(service);
  await empty.drop();
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
  await stop(service);
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
  await stop(service);
  await fresh.drop();
});

describe('one service, from its start to its end,', () => {
  let service: Program;
  let url: string;

  beforeAll(async () => {
    await database.query(
      `INSERT INTO apps (app_id, name, identity) VALUES ('broken', 'x', 'none'), ('good', 'x', 'none')`,
    );
    await database.query(
      `INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ('good', 1, $1), ('broken', 1, $1)`,
      [seal('key', masterKeyPurpose('good', 1), parseSecretsKey(SECRETS_KEY))],
    );
    service = run(MAIN, { ...env, PORT: '0', LOG_LEVEL: 'debug' });
    [, url = ''] = await service.prints(READY);
  });

  afterAll(() => stop(service));

  it('names an app whose key does not open, and starts for the others', async () => {
    expect(service.output()).toContain('Master key 1 of app broken: cannot decrypt with key');
    expect((await fetch(`${url}/signature/login/good/a`)).status).toBe(200);
    expect((await fetch(`${url}/signature/login/broken/a`)).status).toBe(503);
  });

  it('logs why it could not answer, under the id it gave the caller', async () => {
    await database.query('ALTER TABLE apps RENAME TO apps_away');
    const response = await fetch(`${url}/signature/login/1/a`);
    await database.query('ALTER TABLE apps_away RENAME TO apps');
    expect(response.status).toBe(503);
    const { request_id } = (await response.json()) as { request_id: string };
    await service.prints(new RegExp(`relation "apps" does not exist request_id=${request_id}`));
  });

  it('goes on without a log when the reader of its log ends', async () => {
    service.process.stdout?.destroy();
    service.process.stderr?.destroy();
    await database.query('ALTER TABLE client_bans RENAME TO client_bans_away');
    for (let i = 0; i < 5; i++) expect((await fetch(`${url}/signature/login/good/a`)).status).toBe(503);
    await database.query('ALTER TABLE client_bans_away RENAME TO client_bans');
    expect((await fetch(`${url}/signature/login/good/a`)).status).toBe(200);
  });

  it('lets the answer that is under way end, and the connection with it', async () => {
    await database.query(`INSERT INTO apps (app_id, name, identity, disabled) VALUES ('off', 'x', 'none', true)`);
    await database.query('BEGIN; LOCK apps');
    const answer = fetch(`${url}/signature/login/off/a`);
    await vi.waitUntil(async () => (await database.waitingForTables()) > 0);
    service.process.kill('SIGTERM');
    await vi.waitUntil(
      () =>
        fetch(url).then(
          () => false,
          () => true,
        ),
      EVENTUALLY,
    );
    await database.query('COMMIT');
    const { status, headers } = await answer;
    // 503 where all this took longer than a look-up may.
    expect([403, 503]).toContain(status);
    expect(headers.get('connection')).toBe('close');
    await service.ends();
  });
});

it('PGOPTIONS of the shell reach no connection', async () => {
  await database.query("INSERT INTO apps (app_id, name, identity) VALUES ('shop', 'Shop', 'none')");
  const program = run(CLI, { ...env, PGOPTIONS: '-c search_path=nowhere' }, ['members', 'export', '--app-id', 'shop']);
  await program.ends();
  expect(program.output()).toBe('conversation_id,client_id,role\n');
  await database.query("DELETE FROM apps WHERE app_id = 'shop'");
});

it('ends when npm start is told to', async () => {
  const npm = ending(
    runProgram(
      'npm',
      ['start', '--ignore-scripts'],
      { ...env, PORT: '0', MIGRATIONS_DIR: inject('registrations') },
      join(DIST, '..'),
    ),
  );
  const [, url = ''] = await npm.prints(READY);
  npm.process.kill('SIGTERM');
  await npm.ends();
  await expect(fetch(url)).rejects.toThrow();
});

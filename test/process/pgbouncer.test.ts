import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { built } from '../support/built.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { run } from '../support/program.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';

const { migrate } = await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
const isInstalled = spawnSync('pgbouncer', ['--version']).status === 0;
if (!isInstalled) process.stdout.write('pgbouncer is not installed: its tests are skipped\n');

const SECRETS_KEY = randomBytes(32).toString('base64');
const REQUESTS = 300;
const NOBODY = 65_534;

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  if (!isInstalled) return;
  folder = await mkdtemp(join(tmpdir(), 'im-signature-pgbouncer-'));
  await chmod(folder, 0o777);
  database = await makeDatabase('migrated');
  await database.query(
    `INSERT INTO apps (app_id, name, identity, membership) VALUES ('shop', 'x', 'none', 'required')`,
  );
  await database.query(`INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ('shop', 1, $1)`, [
    seal('key', masterKeyPurpose('shop', 1), parseSecretsKey(SECRETS_KEY)),
  ]);
  await database.query(`INSERT INTO conversations (app_id, conversation_id, join_rule) VALUES ('shop', 'c', 'anyone')`);
});

afterAll(async () => {
  if (!isInstalled) return;
  await database.drop();
  await rm(folder, { recursive: true });
});

/** Runs PgBouncer with its defaults, but for what is given, in front of the test's database. */
async function pool(settings: Record<string, string>): Promise<{ url: string; end: () => Promise<void> }> {
  const { hostname, port, username, password, pathname } = new URL(database.url);
  const listenPort = await freePort();
  const login = `user=${username}${password === '' ? '' : ` password='${decodeURIComponent(password)}'`}`;
  const lines = Object.entries({
    listen_addr: '127.0.0.1',
    listen_port: String(listenPort),
    unix_socket_dir: '',
    auth_type: 'any',
    ...settings,
  }).map(([name, value]) => `${name} = ${value}`);
  const file = join(folder, `pgbouncer-${listenPort}.ini`);
  const target = `host=${hostname} port=${port || '5432'} dbname=${pathname.slice(1)} ${login}`;
  await writeFile(file, `[databases]\nim = ${target}\n[pgbouncer]\n${lines.join('\n')}\n`, { mode: 0o644 });
  const account = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const bouncer = spawn('pgbouncer', [file], { ...account, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    bouncer.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('process up')) resolve();
    });
    bouncer.once('exit', () => {
      reject(new Error(`PgBouncer ended: ${log}`));
    });
  });
  return {
    url: `postgres://client@127.0.0.1:${listenPort}/im`,
    async end() {
      const ended = once(bouncer, 'exit');
      bouncer.kill('SIGINT');
      await ended;
    },
  };
}

describe.runIf(isInstalled)(
  `PgBouncer ${isInstalled ? (execFileSync('pgbouncer', ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? '') : ''}`,
  () => {
    it.each([
      ['in session mode', { pool_mode: 'session' }, ''],
      ['in transaction mode', { pool_mode: 'transaction', default_pool_size: '3' }, ''],
      [
        'that drops the settings of a session',
        { pool_mode: 'transaction', default_pool_size: '3', ignore_startup_parameters: 'options' },
        '',
      ],
      [
        'in transaction mode, for a role with the time limit that the service would set itself',
        { pool_mode: 'transaction', default_pool_size: '3' },
        '800ms',
      ],
    ])('%s: migrates, signs, and obeys a ban that was just committed', async (_mode, settings, limit) => {
      const name = new URL(database.url).pathname.slice(1);
      if (limit !== '') await database.query(`ALTER DATABASE ${name} SET statement_timeout = '${limit}'`);
      const bouncer = await pool(settings);
      const env = { DATABASE_URL: bouncer.url, SECRETS_KEY };
      expect(await migrate(bouncer.url, inject('registrations'))).toEqual([]);
      const service = run('src/main.js', { ...env, PORT: '0' });
      const [, url = ''] = await service.prints(/Ready on (http:[\w./:-]+)/);
      const ask = async (path: string) => (await (await fetch(`${url}/signature/${path}`)).json()) as Answer;

      const answers = await Promise.all(
        Array.from({ length: REQUESTS }, (_, n) => ask(n % 2 === 0 ? `login/shop/a${n}` : `invite/shop/a${n}/c`)),
      );
      expect(answers.filter((answer) => answer.signature !== hmac(messageOf(answer), 'key'))).toEqual([]);
      await database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('shop', 'bob')`);
      expect((await ask('login/shop/bob')).code).toBe('client_banned');
      await database.query('DELETE FROM client_bans');
      expect((await ask('login/shop/bob')).code).toBeUndefined();

      service.process.kill('SIGTERM');
      expect(await service.ends()).toBe(0);
      expect(service.output()).not.toContain('unavailable');
      await bouncer.end();
      await database.query(`ALTER DATABASE ${name} RESET statement_timeout`);
    });

    it('over TLS, the certificate is verified, whatever the mode is called, and nothing is warned of', async () => {
      const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(folder, name)) as [string, string];
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:P-256',
          '-nodes',
          '-subj',
          '/CN=pooler',
        ].concat(['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate]),
        { stdio: 'pipe' },
      );
      await chmod(key, 0o644);
      const bouncer = await pool({
        client_tls_sslmode: 'require',
        client_tls_key_file: key,
        client_tls_cert_file: certificate,
      });
      const list = async (parameters: string): Promise<string> => {
        const command = run('src/cli/main.js', { DATABASE_URL: `${bouncer.url}?${parameters}`, SECRETS_KEY }, [
          ...['app', 'list', '--json'],
        ]);
        expect(await command.ends()).toBe(command.stdout() === '' ? 1 : 0);
        return command.output();
      };
      for (const mode of ['prefer', 'require', 'verify-full']) {
        // Node 24 goes on with advice.
        expect(await list(`sslmode=${mode}`)).toMatch(
          /^im-signature: cannot list the apps: DATABASE_URL: the database cannot be used \(self-signed certificate\b.*\)\n$/,
        );
      }
      expect(JSON.parse(await list(`sslmode=require&sslrootcert=${certificate}`))).toMatchObject([{ app_id: 'shop' }]);
      expect(JSON.parse(await list('sslmode=no-verify'))).toMatchObject([{ app_id: 'shop' }]);
      await bouncer.end();
    });

    it.each([[{}], [{ ignore_startup_parameters: 'options' }]])(
      'the commands read the times of a database with another style, with %j',
      async (settings) => {
        const name = new URL(database.url).pathname.slice(1);
        await database.query(`ALTER DATABASE ${name} SET datestyle = 'SQL, DMY'`);
        const bouncer = await pool({ pool_mode: 'transaction', ...settings });
        const command = run('src/cli/main.js', { DATABASE_URL: bouncer.url, SECRETS_KEY }, [
          ...['app', 'show', '--app-id', 'shop', '--json'],
        ]);
        expect(await command.ends()).toBe(0);
        const { keys } = JSON.parse(command.output()) as { keys: { active_from: string }[] };
        expect(Math.abs(Date.parse(keys[0]?.active_from ?? '') - Date.now())).toBeLessThan(3_600_000);
        await bouncer.end();
        await database.query(`ALTER DATABASE ${name} RESET datestyle`);
      },
    );

    it('in transaction mode: an import that is interrupted ends, whichever connection it was given', async () => {
      const bouncer = await pool({ pool_mode: 'transaction', default_pool_size: '3', server_round_robin: '1' });
      // Two connections to PostgreSQL, which transactions take in turns.
      const others = [new Client(bouncer.url), new Client(bouncer.url)];
      for (const other of others) {
        await other.connect();
        await other.query('BEGIN; SELECT');
      }
      await Promise.all(others.map((other) => other.query('COMMIT').then(() => other.end())));
      const file = join(folder, 'members.csv');
      await writeFile(file, 'conversation_id,client_id\nc,alice\n');
      const lock = new Client(database.url);
      await lock.connect();
      await lock.query('BEGIN; LOCK TABLE conversation_members IN EXCLUSIVE MODE');
      const command = run('src/cli/main.js', { DATABASE_URL: bouncer.url, SECRETS_KEY }, [
        ...['members', 'import', '--app-id', 'shop', file],
      ]);
      await vi.waitUntil(async () => (await database.waitingForTables()) > 0, { timeout: 50_000 });
      command.process.kill('SIGINT');
      expect(await command.ends()).toBe(1);
      expect(command.output()).toMatch(/: interrupted; nothing was loaded\n$/);
      await lock.end();
      await bouncer.end();
    });

    it('a pool of one connection, of which a command takes two, is one line and no wait for minutes', async () => {
      const bouncer = await pool({ pool_mode: 'transaction', default_pool_size: '1' });
      const command = run('src/cli/main.js', { DATABASE_URL: bouncer.url, SECRETS_KEY }, ['migrate']);
      expect(await command.ends()).toBe(1);
      expect(command.output()).toMatch(
        /^im-signature: cannot migrate the database: .* \(PgBouncer: default_pool_size\),.*\n$/,
      );
      await bouncer.end();
    });
  },
);

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { NOBODY } from '../../src/database/embedded/operating-system.js';
import { newSecretsKey } from '../../src/config/secrets-key.js';
import type { ProblemDetails } from '../../src/problems/problem-error.js';
import { DIST } from '../support/built.js';
import { freePort } from '../support/free-port.js';
import { secretKey, tokenFor } from '../support/issuer.js';
import { type Program, runProgram } from '../support/program.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';
import { measured } from './table.js';

const execute = promisify(execFile);
const TOOLS = ['initdb', 'postgres', 'psql', 'createdb', 'pg_dump', 'pg_dumpall', 'pg_restore'];
const bin = findTools();
if (bin === undefined) process.stdout.write("PostgreSQL's tools are not installed: the drill of backups is skipped\n");

const MASTER_KEY = 'the-master-key-of-the-shop';
const HMAC_SECRET = 'the-secret-of-the-login-service-of-the-shop';
const MEMBERS = 50_000;
/** Programs start slowly on a busy machine, and there are many. */
const LONG = 180_000;
/** PostgreSQL refuses to run as root. */
const account = process.getuid?.() === 0 ? NOBODY : undefined;

/** Those of Debian, the newest, from PostgreSQL 15 on. */
function findTools(): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).map(Number) : [];
  return versions
    .filter((version) => version >= 15)
    .sort((a, b) => b - a)
    .map((version) => join(root, String(version), 'bin'))
    .find((path) => TOOLS.every((tool) => existsSync(join(path, tool))));
}

class Server {
  private constructor(
    private readonly folder: string,
    private readonly process: ChildProcess,
    readonly port: number,
  ) {}

  static async start(): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'im-signature-backup-'));
    if (account !== undefined) await chown(folder, account.uid, account.gid);
    const options = { cwd: '/', env: { LC_ALL: 'C' }, ...account };
    const choices = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--no-sync'];
    await execute(join(bin ?? '', 'initdb'), ['-D', folder, ...choices], options);
    const port = await freePort();
    const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories='].flatMap((setting) => ['-c', setting]);
    const process = spawn(join(bin ?? '', 'postgres'), ['-D', folder, '-p', String(port), ...settings], {
      ...options,
      stdio: 'ignore',
    });
    const server = new Server(folder, process, port);
    await vi.waitUntil(() => server.query('SELECT 1', 'postgres').catch(() => false), { timeout: 30_000 });
    return server;
  }

  url(database = 'im_signature', role = 'postgres'): string {
    return `postgres://${role}@127.0.0.1:${this.port}/${database}`;
  }

  async query(sql: string, database?: string): Promise<unknown[]> {
    const client = new Client({ connectionString: this.url(database) });
    await client.connect();
    try {
      return (await client.query(sql)).rows as unknown[];
    } finally {
      await client.end();
    }
  }

  async remove(): Promise<void> {
    if (this.process.exitCode === null) {
      const ended = once(this.process, 'exit');
      this.process.kill('SIGQUIT');
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

let first: Server;
let second: Server;
/** Of the operator: the backup, the registrations, and the command. */
let folder: string;
let documented: readonly string[];
const secretsKey = newSecretsKey();

const environment = (server: Server, key: string, role = 'im_owner') => ({
  PATH: `${folder}:${bin ?? ''}:${process.env.PATH ?? ''}`,
  MIGRATIONS_DIR: join(folder, 'registrations'),
  DATABASE_URL: server.url('im_signature', role),
  SERVER_URL: server.url('postgres'),
  SECRETS_KEY: key,
});

/** Runs each line of some shell as an operator does, who types a secret where one is asked for. */
async function operator(lines: string, server: Server, key = secretsKey): Promise<string> {
  let output = '';
  for (const line of lines.trim().split('\n')) {
    const program = runProgram('sh', ['-ec', line], environment(server, key), folder);
    const secrets = [line.includes('app set') ? [] : MASTER_KEY, line.includes('--hmac-secret') ? HMAC_SECRET : []];
    program.process.stdin?.end(secrets.flat().join('\n'));
    expect(await program.ends(), program.output()).toBe(0);
    output += program.output();
  }
  return output;
}

/** As the role that may only read. */
const startOn = (server: Server, key: string): Program =>
  runProgram(
    process.execPath,
    [join(DIST, 'src/main.js')],
    { ...environment(server, key, 'im_reader'), PORT: '0' },
    folder,
  );

/** What a running service has to do by the keys, the bans and the rules, and that it ends. */
async function expectSameApp(service: Program): Promise<void> {
  const [, url = ''] = await service.prints(/Ready on (http:[\w./:-]+)/);
  const ask = async (path: string, clientId: string): Promise<Answer | ProblemDetails> => {
    const headers = { authorization: `Bearer ${await tokenFor(secretKey(HMAC_SECRET), clientId)}` };
    return (await (await fetch(`${url}/signature/${path}`, { headers })).json()) as Answer;
  };
  for (const path of ['login/shop/ann', 'kick/shop/ann/c/m1']) {
    const answer = (await ask(path, 'ann')) as Answer;
    expect(answer.signature).toBe(hmac(messageOf(answer), MASTER_KEY));
  }
  expect(await ask('login/shop/banned', 'banned')).toMatchObject({ code: 'client_banned' });
  expect(await ask('kick/shop/m2/c/m1', 'm2')).toMatchObject({ code: 'not_permitted' });
  expect(service.output()).not.toMatch(/unhandled/i);
  service.process.kill('SIGTERM');
  expect(await service.ends()).toBe(0);
}

describe.runIf(bin !== undefined)('backups, by the commands of the documentation,', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'im-signature-operator-'));
    await mkdir(join(folder, 'registrations'));
    await symlink(join(DIST, 'src/cli/main.js'), join(folder, 'im-signature'));
    const page = await readFile(join(import.meta.dirname, '../../docs/operating.md'), 'utf8');
    const [, section = ''] = /^## Backup and restore$(.*?)^## /ms.exec(page) ?? [];
    documented = Array.from(section.matchAll(/```sh\n(.*?)```/gs), ([, text = '']) => text);

    [first, second] = await Promise.all([Server.start(), Server.start()]);
    // No superuser, as in production.
    await first.query('CREATE ROLE im_owner LOGIN', 'postgres');
    await first.query('CREATE DATABASE im_signature OWNER im_owner TEMPLATE template0', 'postgres');
    const tokens = '--identity jwt --algorithms HS256 --hmac-secret';
    await operator(
      `im-signature migrate
       im-signature app register --app-id shop --name Shop --membership where-registered ${tokens}
       im-signature migrate`,
      first,
    );
    await first.query(`
      CREATE ROLE im_reader LOGIN;
      GRANT SELECT ON ALL TABLES IN SCHEMA public TO im_reader;
      INSERT INTO client_bans (app_id, client_id) VALUES ('shop', 'banned');
      INSERT INTO conversations (app_id, conversation_id) VALUES ('shop', 'c');
      INSERT INTO conversation_members (app_id, conversation_id, client_id, role) VALUES ('shop', 'c', 'ann', 'owner');
      INSERT INTO conversation_members (app_id, conversation_id, client_id)
      SELECT 'shop', 'c', 'm' || n FROM generate_series(1, ${MEMBERS}) AS n`);
    await expectSameApp(startOn(first, secretsKey));
  }, LONG);

  afterAll(async () => {
    await Promise.all([first.remove(), second.remove()]);
    await rm(folder, { recursive: true });
  });

  describe('the server of the database is lost; another gets the backup', () => {
    it(
      'the same signatures, bans and rules; nothing to migrate',
      async (context) => {
        const [backUp = '', restore = ''] = documented;
        const began = performance.now();
        await operator(backUp, first);
        const lost = performance.now();
        await first.remove();
        expect(await operator(restore, second)).toContain('nothing to apply; registrations in');
        const restored = performance.now();
        await expectSameApp(startOn(second, secretsKey));
        const seconds = (ms: number): string => (ms / 1000).toFixed(1);
        measured(
          context,
          `${MEMBERS} members: saved in ${seconds(lost - began)} s, restored and checked in ${seconds(restored - lost)} s`,
        );
      },
      LONG,
    );
  });

  describe('SECRETS_KEY is lost; the backup is all there is', () => {
    it(
      'no start without the key, nor with another; signs when the secrets are given anew',
      async (context) => {
        const [, , giveAnew = ''] = documented;
        const another = newSecretsKey();
        for (const [key, reason] of [
          ['', 'SECRETS_KEY: '],
          [another, "SECRETS_KEY: decrypts no app's master key; use the one that sealed them."],
        ] as const) {
          const service = startOn(second, key);
          expect(await service.ends()).toBe(1);
          expect(service.stderr()).toContain(`im-signature did not start. ${reason}`);
        }
        await operator(giveAnew, second, another);
        await expectSameApp(startOn(second, another));
        measured(context, 'exit code 1 and a line, twice; then as before');
      },
      LONG,
    );
  });
});

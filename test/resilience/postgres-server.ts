import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { inject, vi } from 'vitest';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { adminOptions, connect } from '../../src/database/data-source.js';
import { makeDemoApps } from '../../src/demo.js';
import { built } from '../support/built.js';
import { freePort } from '../support/free-port.js';

/** What seals the demo apps' keys. */
export const SECRETS_KEY = Buffer.alloc(32, 7).toString('base64');
/** A client of app 1 that is banned in every database here. */
export const BANNED = 'banned';

/** A PostgreSQL that a test may stop, freeze and break, on a port that stays. */
export class PostgresServer {
  private server: ChildProcess | undefined;

  private constructor(
    private readonly parent: string,
    private readonly folder: string,
    private readonly bin: string,
    private readonly account: { uid: number; gid: number } | undefined,
    private readonly password: string,
    readonly port: number,
  ) {}

  /** Makes one with the demo apps, and starts it. @param settings of PostgreSQL, as `name=value`. */
  static async make(...settings: readonly string[]): Promise<PostgresServer> {
    const cluster = await built<typeof import('../../src/database/embedded/cluster.js')>(
      'src/database/embedded/cluster.js',
    );
    const { preparePrograms } = await built<typeof import('../../src/database/embedded/programs.js')>(
      'src/database/embedded/programs.js',
    );
    const { migrate } = await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
    const parent = await mkdtemp(join(tmpdir(), 'im-signature-resilience-'));
    // As root, PostgreSQL runs under another account, which has to reach its data.
    await chmod(parent, 0o755);
    const made = await cluster.findCluster(parent);
    const bin = await preparePrograms(parent, made.account);
    await cluster.makeCluster(made, bin);
    const password = await cluster.readPassword(made.folder);
    const postgres = new PostgresServer(parent, made.folder, bin, made.account, password, await freePort());
    await postgres.configure(...settings);
    await postgres.start();
    await postgres.query('CREATE DATABASE im_signature TEMPLATE template0', 'postgres');
    await migrate(postgres.url, inject('registrations'));
    const dataSource = await connect(adminOptions(postgres.url));
    await makeDemoApps(dataSource, parseSecretsKey(SECRETS_KEY));
    await dataSource.destroy();
    await postgres.ban(BANNED);
    return postgres;
  }

  get url(): string {
    return this.urlOf('im_signature');
  }

  /** A standby that follows this server, made from a copy while this one is stopped; both run when it returns. */
  async makeStandby(): Promise<PostgresServer> {
    await this.stop();
    const parent = await mkdtemp(join(tmpdir(), 'im-signature-standby-'));
    await chmod(parent, 0o755);
    const folder = join(parent, 'postgres');
    await cp(this.folder, folder, { recursive: true });
    const standby = new PostgresServer(parent, folder, this.bin, this.account, this.password, await freePort());
    await writeFile(join(folder, 'standby.signal'), '');
    const primary = `host=127.0.0.1 port=${this.port} user=postgres password=${this.password} sslmode=disable`;
    await standby.configure(`primary_conninfo='${primary}'`);
    for (const name of await readdir(parent, { recursive: true })) {
      if (this.account !== undefined) await chown(join(parent, name), this.account.uid, this.account.gid);
    }
    await this.start();
    await standby.start();
    await vi.waitUntil(async () => (await this.query(`SELECT FROM pg_stat_replication WHERE state = 'streaming'`))[0], {
      timeout: 30_000,
    });
    return standby;
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    const options = ['-D', this.folder, '-p', String(this.port), '-c', 'listen_addresses=127.0.0.1'];
    const server = spawn(join(this.bin, 'postgres'), [...options, '-c', 'unix_socket_directories='], {
      cwd: '/',
      env: { LC_ALL: 'C', TZ: 'UTC' },
      stdio: 'ignore',
      ...this.account,
    });
    this.server = server;
    await vi.waitUntil(
      () => {
        if (server.exitCode !== null) throw new Error(`PostgreSQL ended with ${server.exitCode}`);
        return this.query('SELECT 1', 'postgres').catch(() => false);
      },
      { timeout: 30_000, interval: 10 },
    );
  }

  /** `SIGINT`: a fast shutdown, which ends all sessions. `SIGQUIT`: an immediate one, as a crash. */
  async stop(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    const { server } = this;
    if (server?.exitCode !== null || server.signalCode !== null) return;
    server.kill(signal);
    await once(server, 'exit');
  }

  /** Stops all of its processes, those of its sessions too, without ending them. */
  async freeze(): Promise<void> {
    await this.signalAll('SIGSTOP');
  }

  async thaw(): Promise<void> {
    await this.signalAll('SIGCONT');
  }

  /** Runs a statement on a connection of its own, past every proxy. */
  async query<Row extends object>(sql: string, database = 'im_signature'): Promise<Row[]> {
    const client = new Client({ connectionString: this.urlOf(database), connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  /** Bans a client of app 1; in force when it returns. */
  async ban(clientId: string): Promise<void> {
    await this.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('1', '${clientId}')`);
  }

  async remove(): Promise<void> {
    await this.stop('SIGQUIT');
    await rm(this.folder, { recursive: true });
    await rm(this.parent, { recursive: true });
  }

  private urlOf(database: string): string {
    return `postgres://postgres:${this.password}@127.0.0.1:${this.port}/${database}?sslmode=disable`;
  }

  private async configure(...settings: readonly string[]): Promise<void> {
    const file = join(this.folder, 'postgresql.auto.conf');
    await writeFile(file, settings.map((setting) => `${setting}\n`).join(''), { flag: 'a' });
  }

  private async signalAll(signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const pid = this.server?.pid ?? 0;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    for (const child of [pid, ...children.trim().split(' ').map(Number)]) process.kill(child, signal);
  }
}

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { type Cluster, readPassword } from './cluster.js';
import { childOptions, EmbeddedPostgresError, isPostgresOf, remedyFor, unless } from './operating-system.js';

const LIMIT_MS = 30_000;
const POLL_MS = 10;
const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'shared_buffers=32MB',
  // Bounds how long the recovery after a crash takes.
  'max_wal_size=256MB',
  // The log grows until the next start: no failed statements, no routine.
  'log_min_messages=log',
  'log_checkpoints=off',
].flatMap((setting) => ['-c', setting]);
/** Another program has the port, or processes of a killed server are still ending. */
const PASSING = /could not create any TCP\/IP sockets|pre-existing shared memory block|already exists/;
const DATABASE = 'im_signature';
/** The `application_name` of the connections by which processes show that they use the server. */
const HOLDER = 'im-signature holder';

/** The server that runs on a cluster, or undefined. Its URL, for the service and psql, is there when it is ready. */
export async function findServer(folder: string) {
  const file = await fs.readFile(join(folder, 'postmaster.pid'), 'utf8').catch(unless('ENOENT'));
  const [id = 0, , , port = '', , , , state = ''] = file?.split('\n') ?? [];
  const pid = Math.abs(Number(id));
  if (pid === 0 || !(await isPostgresOf(folder, pid))) return undefined;
  if (state.trim() !== 'ready') return { pid, url: undefined };
  const login = `postgres:${encodeURIComponent(await readPassword(folder))}`;
  // The parameters keep PGSSLMODE and PGOPTIONS of the environment away.
  return { pid, url: `postgres://${login}@127.0.0.1:${port}/${DATABASE}?sslmode=disable&options=%20` };
}

/** Starts a server, in a session of its own, on a cluster without one, and connects to it. @throws {EmbeddedPostgresError} */
export async function startServer({ folder, account }: Cluster, bin: string, logFile: string) {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    // PostgreSQL takes any process with the id in this file for a server, be it a zombie. Its second lock on the cluster, a block
    // of shared memory, stays. A link in the place of the log is not followed.
    for (const file of [join(folder, 'postmaster.pid'), logFile]) await fs.rm(file, { force: true });
    const log = await fs.open(logFile, 'wx', 0o600);
    // Ports below those that systems hand out for outgoing connections.
    const options = ['-D', folder, '-p', `${randomInt(20_000, 32_000)}`, ...SETTINGS];
    const stdio = ['ignore' as const, log.fd, log.fd];
    const child = spawn(join(bin, 'postgres'), options, { ...childOptions(account), detached: true, stdio });
    let failure: string | undefined;
    child.once('error', ({ message }) => (failure = message)).unref();
    await log.close();
    const isAlive = () => (failure ?? child.exitCode ?? child.signalCode) === null;
    const holder = await attach(folder, isAlive).catch(async (error: unknown) => {
      await stopServer(folder, child.pid ?? 0);
      throw error;
    });
    if (holder !== undefined) return holder;
    const text = failure ?? (await fs.readFile(logFile, 'utf8'));
    const lines = text.match(/(?:FATAL|PANIC|DETAIL|HINT): .*/g) ?? text.trim().split('\n');
    if (PASSING.test(text) && Date.now() < end) continue;
    const { bavail, bsize } = await fs.statfs(folder);
    // A segment of the write-ahead log; with less, even the log may lack the reason.
    if (bavail * bsize < 2 ** 24) lines.push('the disk is full');
    const reason = lines.slice(-3).join(' ').trim();
    const remedy = remedyFor(reason, 'Mend that, move the folder away to begin anew');
    throw new EmbeddedPostgresError(`PostgreSQL does not start on ${folder}: ${reason}`, remedy);
  }
}

/** By a fast shutdown, which breaks off sessions and leaves nothing to recover. On Windows every signal kills. */
async function stopServer(folder: string, pid: number): Promise<void> {
  if (await isPostgresOf(folder, pid)) process.kill(pid, 'SIGINT');
  const end = Date.now() + LIMIT_MS;
  while (await isPostgresOf(folder, pid)) {
    if (Date.now() > end) throw new EmbeddedPostgresError(`PostgreSQL ${pid} does not stop`, 'Kill it');
    await delay(POLL_MS);
  }
}

/** Connects to the server of a cluster, waiting while it starts or ends; undefined when none runs. */
export async function attach(folder: string, isComing = () => false) {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const server = await findServer(folder);
    if (server === undefined && !isComing()) return undefined;
    try {
      if (server?.url !== undefined) return { ...server, ...(await connect(server.url)), url: server.url };
      if (Date.now() > end) throw new Error('PostgreSQL neither starts nor ends');
    } catch (error) {
      // Anything but a wrong password may pass.
      if (Date.now() > end || (error as { code?: string }).code === '28P01') throw error;
    }
    await delay(POLL_MS);
  }
}

async function connect(url: string) {
  const client = new pg.Client({
    connectionString: url.replace(`/${DATABASE}?`, '/postgres?'),
    application_name: HOLDER,
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  const ended = once(client, 'end').catch(() => undefined);
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE} TEMPLATE template0`);
  } catch (error) {
    await client.end();
    throw error;
  }
  return { client, ended };
}

/** Ends a connection, and stops the server unless other processes use it, which only the lock makes certain. */
export async function release(folder: string, client: pg.Client): Promise<void> {
  await client.end();
  const server = await attach(folder);
  if (server === undefined) return;
  const others = 'SELECT FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()';
  const { rowCount } = await server.client.query(others, [HOLDER]);
  if (rowCount === 0) await stopServer(folder, server.pid);
  await server.client.end();
}

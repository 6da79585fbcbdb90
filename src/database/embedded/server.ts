import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { clearRemains, type Cluster } from './cluster.js';
import { tryPort } from './data-folder.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import type { PostgresLog } from './log.js';
import { plainEnvironment, rootOf, STOP_LIMITS_MS } from './processes.js';

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '32MB',
  // Bounds how long the recovery after a crash takes.
  max_wal_size: '256MB',
  // An acknowledged row is on the disk.
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  logging_collector: 'off',
  log_destination: 'stderr',
  log_min_messages: 'warning',
  lc_messages: 'C',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/**
 * What passes: another program took the port meanwhile; a Postgres whose keeper was killed is just beginning
 * or ending.
 */
const PASSING =
  /could not bind|could not create any TCP\/IP sockets|pre-existing shared memory block|"postmaster.pid" already exists/;

/** A standby takes only connections that read. */
const READY = /database system is ready to accept (?:read-only )?connections/;

export interface RunningPostgres {
  port: number;
  ended: Promise<void>;
  stop(): Promise<void>;
}

/** Starts Postgres on a free loopback port; resolves when it accepts connections. */
export async function startPostgres(
  postgres: string,
  cluster: Cluster,
  log: PostgresLog,
  signal: AbortSignal,
): Promise<RunningPostgres> {
  for (;;) {
    log.forget();
    await clearRemains(cluster);
    const port = await tryPort(0);
    if (port === undefined) throw new EmbeddedPostgresError('No port of 127.0.0.1 is free for PostgreSQL.');
    const running = await attempt(postgres, cluster, port, log, signal);
    if (running !== undefined) return running;
    if (!PASSING.test(log.gist()) || signal.aborted) {
      const late = signal.aborted ? ' in time' : '';
      throw new EmbeddedPostgresError(`PostgreSQL does not start${late} on ${cluster.folder}: ${log.gist()}`);
    }
    await delay(100);
  }
}

/** One attempt: undefined when Postgres ended, or had to be ended, before it accepted connections. */
async function attempt(
  postgres: string,
  { folder, account }: Cluster,
  port: number,
  log: PostgresLog,
  signal: AbortSignal,
): Promise<RunningPostgres | undefined> {
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(postgres, ['-D', folder, '-p', String(port), ...settings], {
    cwd: rootOf(folder),
    env: plainEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
    windowsHide: true,
    ...account,
  });
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      log.add(`error: ${error.message}`);
      resolve();
    });
    child.once('close', () => {
      resolve();
    });
  });
  const giveUp = () => child.kill('SIGKILL');
  signal.addEventListener('abort', giveUp, { once: true });
  const ready = new Promise<true>((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      log.add(line);
      if (READY.test(line)) resolve(true);
    });
  });
  const started = await Promise.race([ready, ended]);
  signal.removeEventListener('abort', giveUp);
  return started === true ? { port, ended, stop: () => stop(child, ended) } : undefined;
}

/**
 * Fast shutdown: sessions are broken off and all is written out, so that the next start has nothing to
 * recover.
 */
async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGINT');
  const immediate = setTimeout(() => child.kill('SIGQUIT'), STOP_LIMITS_MS.fast);
  const killed = setTimeout(() => child.kill('SIGKILL'), STOP_LIMITS_MS.fast + STOP_LIMITS_MS.immediate);
  await ended;
  clearTimeout(immediate);
  clearTimeout(killed);
}

/**
 * The program beside the service that starts Postgres, and stops it when the last process that uses it has
 * let go or has died, in whatever way: the kernel closes a dead process's connections. Its own listening
 * socket is the lock on the data folder, which the kernel likewise releases. Run as `node keeper.js <data
 * folder> <guard port>`.
 */
import { createServer, type Socket } from 'node:net';
import { prepareBinaries } from './binaries.js';
import { findCluster, makeCluster } from './cluster.js';
import { keepPassword, logFile } from './data-folder.js';
import { asEmbeddedPostgresError, errorCode } from './embedded-postgres-error.js';
import { type KeeperState, writeGreeting } from './greeting.js';
import { PostgresLog } from './log.js';
import { type RunningPostgres, startPostgres } from './server.js';

/** Less than a starter waits, so that it hears the reason. */
const START_LIMIT_MS = 25_000;
const FIRST_HOLDER_LIMIT_MS = 10_000;
/**
 * After SIGTERM the holders, which are most likely told to end as well, get this time to finish their work.
 */
const TERM_GRACE_MS = 5_000;

const [dataDir = '', guardPort = ''] = process.argv.slice(2);
const holders = new Set<Socket>();
let everHeld = false;
let state: KeeperState = { state: 'starting' };
let started: Promise<void> | undefined;
let postgres: RunningPostgres | undefined;

function change(next: KeeperState): void {
  if (state.state === 'stopping') return;
  state = next;
  for (const socket of holders) socket.write(writeGreeting(dataDir, state));
}

function welcome(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.setNoDelay(true);
  socket.write(writeGreeting(dataDir, state));
  if (state.state === 'stopping') {
    socket.end();
    return;
  }
  everHeld = true;
  holders.add(socket);
  socket.resume();
  socket.once('end', () => {
    letGo(socket);
  });
  socket.once('close', () => {
    letGo(socket);
  });
}

function letGo(socket: Socket): void {
  if (!holders.has(socket) || state.state === 'stopping') return;
  if (holders.size === 1 && state.state !== 'starting') {
    // Still in the set: the last one is answered when Postgres has ended.
    void stop();
    return;
  }
  holders.delete(socket);
  socket.end();
}

async function stop(): Promise<void> {
  if (state.state === 'stopping') return;
  change({ state: 'stopping' });
  await started?.catch(() => undefined);
  await postgres?.stop();
  // Frees the guard port and closes what is left of the connections.
  process.exit();
}

async function start(): Promise<void> {
  const signal = AbortSignal.timeout(START_LIMIT_MS);
  const cluster = await findCluster(dataDir);
  const password = await keepPassword(dataDir, cluster.exists ? cluster.folder : undefined);
  const binaries = await prepareBinaries(dataDir, cluster.account);
  if (!cluster.exists) await makeCluster(dataDir, cluster, binaries.initdb, password, signal);
  postgres = await startPostgres(binaries.postgres, cluster, new PostgresLog(logFile(dataDir)), signal);
  const { createDatabase } = await import('./database.js');
  await createDatabase(postgres.port, password);
  // Postgres has ended without having been told to: there is nothing left to keep.
  void postgres.ended.then(stop);
  change({ state: 'ready', port: postgres.port });
}

async function keep(): Promise<void> {
  try {
    started = start();
    await started;
  } catch (error) {
    change({ state: 'failed', message: asEmbeddedPostgresError(error, dataDir).message });
  }
  if (holders.size > 0) return;
  if (everHeld) await stop();
  else {
    setTimeout(() => {
      if (holders.size === 0) void stop();
    }, FIRST_HOLDER_LIMIT_MS);
  }
}

// Whoever started the keeper reads one word and then stops listening; nothing that is written later may do
// harm.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
process.on('SIGTERM', () => setTimeout(() => void stop(), TERM_GRACE_MS));
process.on('uncaughtException', (error) => {
  process.stderr.write(`Error: ${error.message}\n`);
  void stop();
});

const server = createServer({ allowHalfOpen: true }, welcome);
server.once('error', (error) => {
  if (errorCode(error) !== 'EADDRINUSE') throw error;
  process.stdout.write('taken\n');
});
server.listen(Number(guardPort), '127.0.0.1', () => {
  process.stdout.write('listening\n');
  void keep();
});

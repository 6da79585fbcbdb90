/*
 * How the pieces fit. A process that wants the database holds a connection to the keeper of its data folder (this file),
 * and starts one when there is none. The keeper (keeper.ts) is a process of its own: its listening socket is the lock on the
 * folder, and it tells each holder its state (greeting.ts). Under that lock it finds or makes the cluster (cluster.ts) from the
 * binaries of npm's platform package (binaries.ts), under an account that PostgreSQL accepts (account.ts), clears what a
 * crash left (processes.ts), starts the server (server.ts, log.ts) and makes the database (database.ts). When the last
 * connection to it closes, for whatever reason, it stops the server and ends. What lies in the folder: data-folder.ts.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type DataFolder, logFile, openDataFolder, passwordFile, portFile } from './data-folder.js';
import { asEmbeddedPostgresError, EmbeddedPostgresError, errorCode } from './embedded-postgres-error.js';
import { GREETING_LIMIT_MS, MAX_GREETING, readGreeting } from './greeting.js';
import { plainEnvironment, rootOf } from './processes.js';

export { EmbeddedPostgresError };

/** From the call until Postgres accepts connections, all attempts together. */
const HOLD_LIMIT_MS = 30_000;
const RETRY_MS = 25;

export interface EmbeddedPostgres {
  /** `postgres://postgres:<password>@127.0.0.1:<port>/im_signature`, percent-encoded. A secret. */
  readonly url: string;
  /** Resolves when Postgres, or its keeper, has ended although it was held. */
  readonly lost: Promise<void>;
  /** Lets go; resolves when Postgres has ended if this was its last user, else at once. */
  release(): Promise<void>;
}

/**
 * Holds the PostgreSQL of a data folder, starting it when it does not run. It runs as long as any process
 * holds it, and is stopped by its keeper when the last one lets go or dies. Throws an `EmbeddedPostgresError`
 * when that cannot be done.
 */
export async function holdEmbeddedPostgres(dataDir: string): Promise<EmbeddedPostgres> {
  const deadline = Date.now() + HOLD_LIMIT_MS;
  try {
    const folder = await openDataFolder(dataDir);
    const { socket, port } = await findKeeper(folder, deadline);
    try {
      const password = (await readFile(passwordFile(folder.path), 'utf8')).trim();
      return held(socket, `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/im_signature`);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  } catch (error) {
    throw asEmbeddedPostgresError(error, dataDir);
  }
}

function held(socket: Socket, url: string): EmbeddedPostgres {
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve();
    });
  });
  let released = false;
  const lost = new Promise<void>((resolve) => {
    void closed.then(() => {
      if (!released) resolve();
    });
  });
  // Holding alone keeps no process alive.
  socket.unref();
  return {
    url,
    lost,
    release() {
      released = true;
      socket.ref();
      socket.end();
      return closed;
    },
  };
}

/** Greeted by the keeper of our folder and held; or what was met at the guard port instead. */
type Answer = { socket: Socket; port: number } | 'nobody' | 'no keeper yet' | 'ending' | 'another program';

async function findKeeper(folder: DataFolder, deadline: number): Promise<{ socket: Socket; port: number }> {
  let strangeSince: number | undefined;
  while (Date.now() < deadline) {
    const answer = await knock(folder, deadline);
    if (typeof answer === 'object') return answer;
    if (answer === 'another program') throw portTaken(folder);
    if (answer === 'ending') strangeSince = undefined;
    else if (answer === 'no keeper yet' || (await launchKeeper(folder)) === 'taken') {
      // For a moment this is what a keeper looks like that is just beginning or ending.
      strangeSince ??= Date.now();
      if (Date.now() - strangeSince > GREETING_LIMIT_MS) throw portTaken(folder);
    } else continue;
    await delay(RETRY_MS);
  }
  const log = await readFile(logFile(folder.path), 'utf8').catch(() => '');
  throw new EmbeddedPostgresError(
    `The embedded PostgreSQL of ${folder.path} was not ready within ${HOLD_LIMIT_MS / 1000} seconds; ` +
      `its last words: ${log.trim().split('\n').slice(-3).join(' ') || 'none'}`,
  );
}

function portTaken(folder: DataFolder): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `Port ${folder.guardPort} of 127.0.0.1, reserved for the data folder ${folder.path}, is in use by another program: ` +
      `end that program, or remove ${portFile(folder.path)} while no service is using the folder.`,
  );
}

/** Connects to the guard port and listens to who is there. */
function knock(folder: DataFolder, deadline: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let greeted = false;
    const socket = connect({ host: '127.0.0.1', port: folder.guardPort, noDelay: true });
    const leave = (answer: Answer) => {
      clearTimeout(patience);
      socket.destroy();
      resolve(answer);
    };
    let patience = setTimeout(leave, GREETING_LIMIT_MS, 'another program');
    socket.on('error', (error) => {
      leave(errorCode(error) === 'ECONNREFUSED' ? 'nobody' : greeted ? 'ending' : 'no keeper yet');
    });
    socket.once('close', () => {
      leave(greeted ? 'ending' : 'no keeper yet');
    });
    let unread = '';
    const read = (text: string) => {
      const lines = (unread + text).split('\n');
      unread = lines.pop() ?? '';
      if (unread.length > MAX_GREETING) leave('another program');
      for (const line of lines) hear(line);
    };
    const hear = (line: string) => {
      const greeting = readGreeting(line);
      if (greeting?.dataDir !== folder.path) {
        leave('another program');
        return;
      }
      greeted = true;
      clearTimeout(patience);
      patience = setTimeout(leave, Math.max(0, deadline - Date.now()), 'ending');
      if (greeting.state === 'ready') {
        clearTimeout(patience);
        // What follows is no longer heard, only read, so that the end is noticed.
        socket.off('data', read).resume();
        resolve({ socket, port: greeting.port });
      } else if (greeting.state === 'failed') {
        reject(new EmbeddedPostgresError(greeting.message));
        leave('ending');
      } else if (greeting.state === 'stopping') leave('ending');
    };
    socket.setEncoding('utf8').on('data', read);
  });
}

/** Starts a keeper; `taken` when the guard port is in use, so that the keeper has ended again. */
function launchKeeper({ path, guardPort }: DataFolder): Promise<'listening' | 'taken'> {
  const program = fileURLToPath(new URL('./keeper.js', import.meta.url));
  // A session of its own: Ctrl-C in the service's terminal reaches the service alone, which then lets go.
  const keeper = spawn(process.execPath, [program, path, String(guardPort)], {
    detached: true,
    cwd: rootOf(path),
    env: plainEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  keeper.unref();
  return new Promise((resolve, reject) => {
    let complaint = '';
    keeper.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    keeper.stdout.setEncoding('utf8').once('data', (word: string) => {
      keeper.stdout.destroy();
      keeper.stderr.destroy();
      resolve(word.trim() === 'taken' ? 'taken' : 'listening');
    });
    keeper.once('error', reject);
    keeper.once('close', (code) => {
      const reason = /^\w*Error.*$/m.exec(complaint)?.[0] ?? `it ended with code ${code ?? 'none'}`;
      reject(new EmbeddedPostgresError(`The keeper of the embedded PostgreSQL cannot run: ${reason}`));
    });
  });
}

/** The URL of the running PostgreSQL of a data folder, or undefined when none runs. */
export async function embeddedPostgresUrl(dataDir: string): Promise<string | undefined> {
  const folder = await openDataFolder(dataDir);
  const answer = await knock(folder, Date.now() + GREETING_LIMIT_MS);
  if (typeof answer !== 'object') return undefined;
  answer.socket.destroy();
  const password = (await readFile(passwordFile(folder.path), 'utf8')).trim();
  return `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${answer.port}/im_signature`;
}

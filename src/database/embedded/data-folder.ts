import { randomBytes, randomInt } from 'node:crypto';
import { link, mkdir, open, readFile, realpath, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { EmbeddedPostgresError, errorCode } from './embedded-postgres-error.js';

/** Below the ports that Linux (32768) and the others (49152) hand out for outgoing connections. */
const GUARD_PORTS = { from: 20_000, to: 32_000 };

export const portFile = (dataDir: string) => join(dataDir, 'postgres.port');
export const passwordFile = (dataDir: string) => join(dataDir, 'postgres.password');
export const logFile = (dataDir: string) => join(dataDir, 'postgres.log');
export const locationFile = (dataDir: string) => join(dataDir, 'postgres.location');

export interface DataFolder {
  /** Absolute and without symbolic links, so that every process names the folder alike. */
  path: string;
  /** The loopback port whose listening socket is the lock on the folder. */
  guardPort: number;
}

/** The data folder, made when it is not there, with the guard port chosen once and for all. */
export async function openDataFolder(dataDir: string): Promise<DataFolder> {
  await mkdir(dataDir, { recursive: true, mode: 0o755 });
  const path = await realpath(dataDir);
  const file = portFile(path);
  const kept = (await readIfThere(file)) ?? (await chooseGuardPort(file));
  const guardPort = Number(kept);
  if (!Number.isInteger(guardPort) || guardPort < 1 || guardPort > 65_535) {
    throw new EmbeddedPostgresError(`${file} holds no port number: remove it and start again.`);
  }
  return { path, guardPort };
}

async function chooseGuardPort(file: string): Promise<string> {
  let port: number;
  do port = randomInt(GUARD_PORTS.from, GUARD_PORTS.to);
  while ((await tryPort(port)) === undefined);
  await createOnce(file, `${port}\n`, 0o644);
  return readFile(file, 'utf8');
}

/**
 * Binds a loopback port for a moment (0: any free one) and gives its number, or undefined when it is taken.
 */
export function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(undefined);
    });
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        resolve(address !== null && typeof address === 'object' ? address.port : undefined);
      });
    });
  });
}

/** The password of the `postgres` role; made before the cluster is, so that no cluster is ever without it. */
export async function keepPassword(dataDir: string, clusterFolder: string | undefined): Promise<string> {
  const file = passwordFile(dataDir);
  const kept = await readIfThere(file);
  if (kept !== undefined && kept.trim() !== '') return kept.trim();
  if (clusterFolder !== undefined) {
    throw new EmbeddedPostgresError(
      `${file} is missing, without which nobody can log in to the database in ${clusterFolder}: ` +
        'restore that file, or remove the database folder to begin with an empty one.',
    );
  }
  await rm(file, { force: true });
  await createOnce(file, `${randomBytes(24).toString('base64url')}\n`, 0o600);
  return (await readFile(file, 'utf8')).trim();
}

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Creates a file whole and durably, or leaves the one that is there: of two at once, the first wins. */
export async function createOnce(file: string, text: string, mode: number): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(draft, 'wx', mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file);
    await syncFolder(dirname(file));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Makes a new name in a folder survive a power failure. Windows opens no folders, and needs it not. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chown, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Account, isReachableBy, makeSystemFolder, NOBODY, runsAsRoot, SYSTEM_FOLDER } from './account.js';
import { createOnce, locationFile, readIfThere, syncFolder } from './data-folder.js';
import { EmbeddedPostgresError, errorCode } from './embedded-postgres-error.js';
import { isPostgresOf, plainEnvironment, rootOf, stopOrphan } from './processes.js';

const run = promisify(execFile);

export interface Cluster {
  folder: string;
  /** Who owns it and runs Postgres; undefined: whoever runs the keeper. */
  account: Account | undefined;
  exists: boolean;
}

/** Where the cluster of this data folder lies, or is to lie: in it, or for root perhaps under `/var/lib`. */
export async function findCluster(dataDir: string): Promise<Cluster> {
  const inside = join(dataDir, 'postgres');
  const outside = join(SYSTEM_FOLDER, shortHash(dataDir), 'postgres');
  const location = (await readIfThere(locationFile(dataDir)))?.trim();
  if (location !== undefined && location !== outside) {
    throw new EmbeddedPostgresError(
      `The database of ${dataDir} is in ${location}, where it was made for this folder under another name: rename ` +
        `the folder back, or move ${dirname(location)} to ${dirname(outside)} and remove ${locationFile(dataDir)}.`,
    );
  }
  const existing = location === undefined ? await look(inside) : undefined;
  if (existing?.exists) return existing;
  const outer = runsAsRoot() || location !== undefined ? await look(outside) : undefined;
  if (outer?.exists) return outer;

  if (!runsAsRoot()) return { folder: inside, account: undefined, exists: false };
  if (location === undefined && (await isReachableBy(NOBODY, dataDir))) {
    return { folder: inside, account: NOBODY, exists: false };
  }
  return { folder: outside, account: NOBODY, exists: false };
}

/** What is at a place where a cluster may be; throws when it is one that cannot be run from here. */
async function look(folder: string): Promise<Cluster | undefined> {
  const stats = await stat(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (stats === undefined) return undefined;
  if (!runsAsRoot()) {
    if (process.getuid !== undefined && stats.uid !== process.getuid()) {
      throw new EmbeddedPostgresError(
        `The database in ${folder} belongs to user id ${stats.uid}, probably because it was first started by root: ` +
          'start as before, choose another DATA_DIR, or set DATABASE_URL.',
      );
    }
    return { folder, account: undefined, exists: await holdsCluster(folder) };
  }
  // Root goes on with an ordinary user's folder as that user, so that it stays usable for both.
  const account = stats.uid === 0 ? NOBODY : { uid: stats.uid, gid: stats.gid };
  const exists = await holdsCluster(folder);
  if (exists && !(await isReachableBy(account, folder))) {
    throw new EmbeddedPostgresError(
      `PostgreSQL cannot run as root, and user id ${account.uid} cannot reach ${folder}: ` +
        'let others pass through the folders above it (chmod o+x), or set DATABASE_URL.',
    );
  }
  return { folder, account, exists };
}

/** A cluster appears under its name only when it is complete, so anything else there was put by somebody. */
async function holdsCluster(folder: string): Promise<boolean> {
  const names = await readdir(folder);
  if (names.includes('PG_VERSION')) return true;
  if (names.length === 0) return false;
  throw new EmbeddedPostgresError(`${folder} holds something else than a database: move it away and start again.`);
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/**
 * Makes the cluster beside its place and then renames it, so that an interrupted start leaves nothing half
 * made.
 */
export async function makeCluster(
  dataDir: string,
  { folder, account }: Cluster,
  initdb: string,
  password: string,
  signal: AbortSignal,
): Promise<void> {
  const parent = dirname(folder);
  if (parent !== dataDir) {
    await makeSystemFolder(SYSTEM_FOLDER);
    await makeSystemFolder(parent);
    await createOnce(locationFile(dataDir), `${folder}\n`, 0o644);
  }
  await removeLeftovers(folder);
  // A name of its own each time: an initdb whose keeper was killed may still be writing to the last one.
  const draft = `${draftPrefix(folder)}${randomBytes(6).toString('hex')}`;
  const passwordCopy = join(draft, 'password');
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordCopy, password, { mode: 0o600 });
  if (account !== undefined) {
    await chown(passwordCopy, account.uid, account.gid);
    await chown(draft, account.uid, account.gid);
  }
  const settings = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const login = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordCopy}`];
  const options = ['-D', join(draft, 'cluster'), ...settings, ...login, '--no-instructions'];
  try {
    await run(initdb, options, {
      cwd: rootOf(dataDir),
      env: plainEnvironment(),
      signal,
      killSignal: 'SIGKILL',
      ...account,
    });
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL cannot make its database in ${folder}: ${complaintOf(error)}. ` +
        'Mend that, or set DATABASE_URL.',
      { cause: error },
    );
  }
  await rename(join(draft, 'cluster'), folder);
  await syncFolder(parent);
  await rm(draft, { recursive: true, force: true });
}

/** What a failed program said, or how it failed when it said nothing. */
function complaintOf(error: unknown): string {
  const { stderr = '', message } = error as Error & { stderr?: string };
  if (stderr.trim() !== '') return stderr.trim();
  // What is not found is the loader of the libraries that the program was built for.
  return errorCode(error) === 'ENOENT' ? `${message} (on Linux the programs need glibc)` : message;
}

const draftPrefix = (folder: string) => `${folder}.new-`;

async function removeLeftovers(folder: string): Promise<void> {
  const parent = dirname(folder);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(basename(draftPrefix(folder)))) continue;
    // What an initdb is still writing to goes with the next start.
    await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  }
}

/**
 * Clears what a killed keeper left: a Postgres still running is stopped, a `postmaster.pid` of none is
 * removed, because Postgres itself refuses to start when any process, be it a zombie, has the number in it.
 * Only under the lock.
 */
export async function clearRemains({ folder }: Cluster): Promise<void> {
  // There is no telling there whose a process is; Postgres has to judge for itself.
  if (process.platform === 'win32') return;
  const file = join(folder, 'postmaster.pid');
  const pid = Number((await readIfThere(file))?.split('\n', 1)[0]);
  if (Number.isInteger(pid) && pid > 0 && (await isPostgresOf(folder, pid))) await stopOrphan(folder, pid);
  await rm(file, { force: true });
}

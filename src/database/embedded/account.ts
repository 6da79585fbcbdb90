import { chmod, lstat, mkdir, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EmbeddedPostgresError, errorCode } from './embedded-postgres-error.js';

/** Who Postgres runs as when that is not the keeper itself. */
export interface Account {
  uid: number;
  gid: number;
}

/** Postgres refuses to run as root. This id exists everywhere without an account having been made. */
export const NOBODY: Account = { uid: 65_534, gid: 65_534 };

/** Where root keeps what an unprivileged Postgres must reach: nobody else can put anything there first. */
export const SYSTEM_FOLDER = '/var/lib/im-signature';

export function runsAsRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Whether the account may pass through every folder down to `path`, and read and pass through `path` itself.
 */
export async function isReachableBy(account: Account, path: string): Promise<boolean> {
  const target = await realpath(path);
  for (let folder = target; ; folder = dirname(folder)) {
    const needed = folder === target ? 0o5 : 0o1;
    const { mode, uid, gid } = await stat(folder);
    const granted = uid === account.uid ? mode >> 6 : gid === account.gid ? mode >> 3 : mode;
    if ((granted & needed) !== needed) return false;
    if (folder === dirname(folder)) return true;
  }
}

/**
 * Makes a folder of root's that everybody may pass through, and refuses one that somebody else could write
 * to.
 */
export async function makeSystemFolder(path: string): Promise<void> {
  await mkdir(path, { mode: 0o755 }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  const { mode, uid } = await lstat(path);
  if ((mode & 0o170_000) !== 0o040_000 || uid !== 0 || (mode & 0o022) !== 0) {
    throw new EmbeddedPostgresError(
      `${path} must be a folder of root's that nobody else can write to: mend or remove it, or set DATABASE_URL.`,
    );
  }
  // The umask may have taken away more than is good here.
  if ((mode & 0o777) !== 0o755) await chmod(path, 0o755);
}

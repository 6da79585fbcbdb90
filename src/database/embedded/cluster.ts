import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as os from './operating-system.js';

/** `account` owns it and runs PostgreSQL; undefined: this process's own. */
export type Cluster = Awaited<ReturnType<typeof findCluster>>;

/** Where the cluster of a data folder is, or will be: `postgres` in it, or where a link of that name leads. */
export async function clusterFolder(dataDir: string): Promise<string> {
  const inside = join(dataDir, 'postgres');
  return resolve(dataDir, await fs.readlink(inside).catch(() => inside));
}

/** The cluster that a data folder has, or is to have: behind a link where `NOBODY` cannot reach the folder. */
export async function findCluster(dataDir: string) {
  let folder = await clusterFolder(dataDir);
  const owner = await fs.stat(folder).catch(os.unless('ENOENT'));
  if (owner !== undefined && !os.isRoot && owner.uid !== (process.getuid?.() ?? owner.uid)) {
    const fault = `The database in ${folder} belongs to user id ${owner.uid}, perhaps as root started it first`;
    throw new os.EmbeddedPostgresError(fault, 'Start as before, choose another DATA_DIR');
  }
  const names = owner === undefined ? [] : await fs.readdir(folder);
  const exists = names.includes('PG_VERSION');
  // A cluster gets its name when it is complete.
  if (!exists && names.length > 0) throw new os.EmbeddedPostgresError(`${folder} is no database`, 'Move it');
  if (exists) await readPassword(folder);
  if (!os.isRoot) return { folder, account: undefined, exists };

  const inside = join(dataDir, 'postgres');
  if (!exists && folder === inside && !(await os.isReachableBy(os.NOBODY, dataDir))) {
    folder = join(os.SYSTEM_FOLDER, randomBytes(8).toString('hex'));
    await fs.rm(inside, os.REMOVE);
    await fs.symlink(folder, inside);
  }
  // An ordinary user's cluster stays usable for that user.
  const account = exists && owner !== undefined && owner.uid !== 0 ? owner : os.NOBODY;
  return { folder, account: { uid: account.uid, gid: account.gid }, exists };
}

/** Makes a cluster and its password beside its place: it is complete or absent. @throws {EmbeddedPostgresError} */
export async function makeCluster({ folder, account }: Cluster, bin: string): Promise<void> {
  const drafts = `${folder}.new`;
  const password = join(drafts, 'password');
  // Another name each time: an initdb whose starter was killed may still write to the last one.
  const draft = join(drafts, randomBytes(6).toString('hex'));
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const login = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${password}`];
  try {
    if (dirname(folder) === os.SYSTEM_FOLDER) await os.makeSystemFolder();
    await fs.rm(drafts, os.REMOVE);
    await fs.mkdir(drafts, { mode: 0o700 });
    await fs.writeFile(password, randomBytes(24).toString('base64url'), { mode: 0o600, flush: true });
    for (const path of [password, drafts]) if (account) await fs.chown(path, account.uid, account.gid);
    const options = ['-D', draft, ...locale, ...login, '--no-instructions'];
    await os.run(join(bin, 'initdb'), options, { ...os.childOptions(account), timeout: 60_000 });
    await fs.rename(password, join(draft, PASSWORD));
    await sync(draft);
    await fs.rename(draft, folder);
    await sync(dirname(folder));
  } catch (error) {
    const { stderr = '', message, code } = error as NodeJS.ErrnoException & { stderr?: string };
    // What Linux does not find is the loader of the program's libraries.
    const hint = code === 'ENOENT' ? ' (on Linux the programs need glibc)' : '';
    const reason = stderr.trim() || message;
    const fault = `PostgreSQL cannot make its database in ${folder}: ${reason}${hint}`;
    throw new os.EmbeddedPostgresError(fault, os.remedyFor(reason, 'Mend that, choose another DATA_DIR'), error);
  } finally {
    await fs.rm(drafts, os.REMOVE);
  }
}

/** Makes new names in a folder survive a power failure. Windows cannot open folders. */
async function sync(folder: string): Promise<void> {
  if (os.isWindows) return;
  const handle = await fs.open(folder);
  await handle.sync().finally(() => handle.close());
}

const PASSWORD = 'postgres.password';

/** The password of the role `postgres`. @throws {EmbeddedPostgresError} when it is missing. */
export async function readPassword(folder: string): Promise<string> {
  const password = await fs.readFile(join(folder, PASSWORD), 'utf8').catch(os.unless('ENOENT'));
  if (password !== undefined) return password.trim();
  const fault = `${join(folder, PASSWORD)} is missing, without which nobody can log in`;
  throw new os.EmbeddedPostgresError(fault, 'Restore it, move the folder away to begin anew');
}

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { parse } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** What is wrong and how to mend it, as one line. It never holds the password. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(fault: string, remedy: string, cause?: unknown) {
    super(`${fault}. ${remedy}, or set DATABASE_URL.`.replaceAll(/\s*\n\s*/g, ' '), { cause });
  }
}

/** What to do about an error of the file system, by its text from Node or from a program. */
export function remedyFor(reason: string, otherwise: string): string {
  if (/ENOSPC|No space left|disk is full/.test(reason)) return 'Make room on that disk, choose another DATA_DIR';
  if (/EROFS|[Rr]ead-only file system/.test(reason)) return 'Make that file system writable, choose another DATA_DIR';
  if (/EACCES|EPERM|[Pp]ermission denied/.test(reason)) {
    return 'Start as the owner of that folder, choose another DATA_DIR';
  }
  return otherwise;
}

export const run = promisify(execFile);
export const isWindows = process.platform === 'win32';
export const isRoot = process.getuid?.() === 0;

/** PostgreSQL refuses to run as root. These ids work on every system, without an entry in /etc/passwd. */
export const NOBODY = { uid: 65_534, gid: 65_534 };
export type Account = typeof NOBODY;
/** Where root keeps what `NOBODY` cannot reach elsewhere. */
export const SYSTEM_FOLDER = '/var/lib/im-signature';

/** Makes that folder, which only root can write to, whatever the umask is, and gives its path. */
export async function makeSystemFolder(): Promise<string> {
  await fs.mkdir(SYSTEM_FOLDER, { recursive: true });
  await fs.chmod(SYSTEM_FOLDER, 0o755);
  return SYSTEM_FOLDER;
}

/** How to run a program: with neither PG* variables nor secrets, in a folder that every account may enter. */
export function childOptions(account: Account | undefined) {
  const { PATH = '', SystemRoot = '', TEMP = '' } = process.env;
  const env = { PATH, SystemRoot, TEMP, LC_ALL: 'C', TZ: 'UTC' };
  return { cwd: parse(process.execPath).root, env, windowsHide: true, ...account };
}

/** Whether the account may read and enter `path`, a folder or a program, and enter every folder above it. */
export async function isReachableBy(account: Account, path: string): Promise<boolean> {
  const test = run('sh', ['-c', 'test -r "$0" && test -x "$0"', path], childOptions(account));
  return (await test.catch(unless(1))) !== undefined;
}

/** Whether a process is a PostgreSQL of the cluster; not a zombie, nor another program with a reused id. */
export async function isPostgresOf(cluster: string, pid: number): Promise<boolean> {
  if (process.platform === 'linux') {
    const command = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(unless('ENOENT', 'ESRCH'));
    return command?.includes(`\0-D\0${cluster}\0`) === true;
  }
  if (isWindows) return (await run('tasklist', ['/fi', `pid eq ${pid}`])).stdout.includes('postgres.exe');
  const listed = await run('ps', ['-wwo', 'args=', '-p', `${pid}`]).catch(unless(1));
  return listed?.stdout.includes(` -D ${cluster} `) === true;
}

/** Does work that one process at a time does for a path. The kernel frees the lock of a process that ends. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + 120_000; Date.now() < end;) {
    const unlock = await lock(path).catch(unless('EADDRINUSE', 'EAGAIN'));
    if (unlock !== undefined) return work().finally(unlock);
    await delay(10);
  }
  throw new EmbeddedPostgresError(`Another process has been busy with ${path} for two minutes`, 'End it');
}

async function lock(path: string): Promise<() => unknown> {
  if (process.platform !== 'linux' && !isWindows) {
    // O_CREAT | O_EXLOCK | O_NONBLOCK of macOS and the BSDs: open and lock, or fail.
    const file = await fs.open(`${path}.lock`, 0x224, 0o644);
    return () => file.close();
  }
  const name = `im-signature-${createHash('sha256').update(path).digest('hex')}`;
  // An abstract socket, without a file. Node 20 fills its name up with zeros, later versions do not.
  const socket = isWindows ? `\\\\.\\pipe\\${name}` : `\0${name}`.padEnd(108, '.');
  const server = createServer().listen({ path: socket, exclusive: true });
  await once(server, 'listening');
  return () => server.close();
}

/** To remove a folder to which another process may still write. */
export const REMOVE = { recursive: true, force: true, maxRetries: 5 };

/** For `catch`: undefined for an error with one of these codes. */
export function unless(...codes: (string | number)[]) {
  return (error: Error & { code?: string | number }): undefined => {
    if (!codes.includes(error.code ?? '')) throw error;
  };
}

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename, parse } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EmbeddedPostgresError, errorCode } from './embedded-postgres-error.js';

/**
 * How long Postgres may take to stop in order (fast shutdown), and then by breaking off (immediate shutdown).
 */
export const STOP_LIMITS_MS = { fast: 10_000, immediate: 5_000 };

/**
 * All that a child needs: neither PG* variables, which change what Postgres does, nor secrets such as
 * SECRETS_KEY.
 */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot, TEMP } = process.env;
  return {
    LANG: 'C',
    LC_ALL: 'C',
    TZ: 'UTC',
    ...(PATH !== undefined && { PATH }),
    ...(SystemRoot !== undefined && { SystemRoot }),
    ...(TEMP !== undefined && { TEMP }),
  };
}

/** A working folder that every account may stand in; initdb fails in one that it cannot enter. */
export function rootOf(path: string): string {
  return parse(path).root;
}

/**
 * Whether the process is a running Postgres of this cluster; a zombie or another program with its number is
 * not.
 */
export async function isPostgresOf(cluster: string, pid: number): Promise<boolean> {
  if (process.platform === 'linux') return isPostgresOnLinux(cluster, pid);
  const columns = ['-ww', '-p', String(pid), '-o', 'stat=,command='];
  const { stdout } = await promisify(execFile)('ps', columns).catch(() => ({ stdout: '' }));
  return !stdout.trim().startsWith('Z') && stdout.includes(`postgres -D ${cluster} `);
}

async function isPostgresOnLinux(cluster: string, pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The state stands behind the program's name, which is in parentheses and may hold some itself.
    if (/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))) return false;
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    return basename(command[0] ?? '') === 'postgres' && command[1] === '-D' && command[2] === cluster;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

/** Stops a Postgres whose keeper was killed; it is nobody's child, so its end can only be looked for. */
export async function stopOrphan(cluster: string, pid: number): Promise<void> {
  const steps = [
    ['SIGINT', STOP_LIMITS_MS.fast],
    ['SIGQUIT', STOP_LIMITS_MS.immediate],
  ] as const;
  for (const [signal, limit] of steps) {
    if (!sendSignal(pid, signal)) return;
    const end = Date.now() + limit;
    while (Date.now() < end) {
      if (!(await isPostgresOf(cluster, pid))) return;
      await delay(20);
    }
  }
  throw new EmbeddedPostgresError(
    `A PostgreSQL that runs on ${cluster} without its keeper (process ${pid}) does not stop: end it and start again.`,
  );
}

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The core that measured servers run on; everything else shares the others. Undefined where that cannot be arranged. */
export const SERVER_CORE = canPin() ? 0 : undefined;

/** Linux accounts for a process in hundredths of a second (sysconf(_SC_CLK_TCK), man 5 proc). */
const MICROSECONDS_PER_TICK = 10_000;

function canPin(): boolean {
  const cores = availableParallelism();
  if (cores < 2) return false;
  // Whatever this process starts later inherits the cores: PostgreSQL and the load generator.
  return spawnSync('taskset', ['-acp', `1-${cores - 1}`, String(process.pid)]).status === 0;
}

export interface Server {
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a compiled file of `dist` as a server of its own, on the server core. It has to print `Ready on <url>`. */
export async function startServer(file: string, env: Record<string, string> = {}): Promise<Server> {
  const program = fileURLToPath(new URL(`../${file}`, import.meta.url));
  const [command, args] =
    SERVER_CORE === undefined
      ? [process.execPath, [program]]
      : ['taskset', ['-c', String(SERVER_CORE), process.execPath, program]];
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production', RATE_LIMIT_PER_MINUTE: '999999999', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await readyUrl(child, file);
  return {
    // taskset replaces itself by the program.
    pid: child.pid ?? 0,
    url,
    async stop() {
      child.kill();
      await once(child, 'exit');
    },
  };
}

function readyUrl(child: ChildProcess, file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const url = /Ready on (http:[^"\s]+)/.exec(output)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once('exit', (code) => {
      reject(new Error(`${file} ended with ${code ?? 'a signal'} before it was ready: ${output}`));
    });
  });
}

/** CPU time a process has used so far, in microseconds, its threads and its waited-for children included. */
export function cpuMicroseconds(pid: number): number {
  const fields = statFields(pid);
  const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15).map(Number);
  return (utime + stime + cutime + cstime) * MICROSECONDS_PER_TICK;
}

/** The same of a process and all its children, as a PostgreSQL server has them. */
export function treeCpuMicroseconds(pid: number): number {
  const children = readdirSync('/proc')
    .map(Number)
    .filter((id) => parentOf(id) === pid);
  // A child that ends meanwhile is counted by its parent from then on.
  return children.reduce((sum, id) => sum + (ifAlive(() => cpuMicroseconds(id)) ?? 0), cpuMicroseconds(pid));
}

/** Resident memory in MB. */
export function residentMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024);
}

/** The parent's id; undefined when there is no such process on this machine. */
export function parentOf(pid: number): number | undefined {
  return ifAlive(() => Number(statFields(pid)[1]));
}

function ifAlive<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The fields after the name, which may itself hold spaces: state, ppid, … */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

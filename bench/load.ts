import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import autocannon from 'autocannon';
import type { Workload } from './scenarios.js';

export interface Load {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Answers other than 200, and connections that failed. */
  readonly errors: number;
}

/** wrk takes a fifth of the CPU that autocannon does, so that it can keep a fast server busy from one core. */
export const GENERATOR = spawnSync('wrk', ['-v']).error === undefined ? 'wrk' : 'autocannon';

/** Asks a server for the workload's requests one after the other, over keep-alive connections, from the offset on. */
export async function load(url: string, workload: Workload, seconds: number, offset: number): Promise<Load> {
  const run = GENERATOR === 'wrk' ? loadWithWrk : loadWithAutocannon;
  return run(url, workload, seconds, offset);
}

async function loadWithWrk(url: string, workload: Workload, seconds: number, offset: number): Promise<Load> {
  const script = fileURLToPath(new URL('../../bench/load.lua', import.meta.url));
  const { stdout } = await promisify(execFile)('wrk', [
    '-t1',
    `-c${workload.connections}`,
    `-d${seconds}s`,
    `-s${script}`,
    url,
    '--',
    workload.file,
    String(offset),
  ]);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Load;
}

async function loadWithAutocannon(
  url: string,
  { requests, connections }: Workload,
  seconds: number,
  offset: number,
): Promise<Load> {
  let next = offset;
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    requests: [
      {
        setupRequest(request) {
          const { path, token } = requests[next++ % requests.length] ?? { path: '/' };
          return { ...request, path, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } };
        },
      },
    ],
  });
  return {
    requests: result.requests.total,
    seconds: result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
    errors: result.errors + result.non2xx,
  };
}

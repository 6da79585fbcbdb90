import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { DIST } from './built.js';
import { recordEnvironment, recordOutput } from './recorded.js';

export interface Program {
  readonly process: ChildProcess;
  /** All that it has written so far, to both streams. */
  output(): string;
  stdout(): string;
  stderr(): string;
  /** Resolves with the first match of its output; rejects when it ends without one. */
  prints(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with its exit code, or the signal that ended it. */
  ends(): Promise<number | NodeJS.Signals | null>;
}

/** Runs a built file of the project as its own process, with no environment but what is given, and out of reach of any `.env`. */
export function run(file: string, env: Record<string, string>, args: readonly string[] = []): Program {
  const environment = { MIGRATIONS_DIR: inject('registrations'), ...env };
  return runProgram(process.execPath, [join(DIST, file), ...args], environment, tmpdir());
}

export function runProgram(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  cwd: string,
): Program {
  recordEnvironment(env);
  const child = spawn(program, args, { cwd, env: { PATH: process.env.PATH ?? '', ...env }, stdio: 'pipe' });
  let output = '';
  const streams = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      recordOutput(text);
      output += text;
      streams[name] += text;
    });
  }
  // A program that ends without reading its input is no fault of the test.
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null);
  return {
    process: child,
    output: () => output,
    stdout: () => streams.stdout,
    stderr: () => streams.stderr,
    ends: () => ended,
    prints: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (match !== null) resolve(match);
        };
        child.stdout.on('data', look);
        child.stderr.on('data', look);
        look();
        void ended.then((code) => {
          reject(new Error(`ended with ${String(code)} before it printed ${String(pattern)}:\n${output}`));
        });
      }),
  };
}

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, inject } from 'vitest';
import { DIST } from './built.js';
import { type Program, run, runProgram } from './program.js';

export const MAIN = 'src/main.js';
export const CLI = 'src/cli/main.js';
export const READY = /Ready on (http:[\w./:-]+)/;

/** Starts of the service as it was built, which end with their test. */
export interface Starts {
  /** A new folder for each test. */
  readonly folder: () => string;
  /** Starts it with its data below the folder, and out of reach of any `.env`. */
  readonly start: (env: Record<string, string>) => Program;
  /** Starts it in the folder, whose `.env` it reads. */
  readonly startHere: (env: Record<string, string>) => Program;
  /** Ends another program with the test. */
  readonly ending: (program: Program) => Program;
}

export function eachInItsFolder(): Starts {
  let folder: string;
  const started: Program[] = [];

  beforeEach(async () => {
    folder = await newFolder();
  });

  afterEach(async () => {
    await Promise.all(started.splice(0).map(stop));
    await rm(folder, { recursive: true, force: true, maxRetries: 20 });
  });

  const ending = (program: Program): Program => {
    started.push(program);
    return program;
  };
  return {
    folder: () => folder,
    start: (env) => ending(run(MAIN, { PORT: '0', DATA_DIR: join(folder, 'data'), ...env })),
    startHere: (env) => {
      const environment = { MIGRATIONS_DIR: inject('registrations'), ...env };
      return ending(runProgram(process.execPath, [join(DIST, MAIN)], environment, folder));
    },
    ending,
  };
}

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'im-signature-start-'));
  // As root, PostgreSQL runs under another account, which has to reach its data.
  await chmod(folder, 0o755);
  return folder;
}

/** Killed, it would leave its embedded PostgreSQL running. */
export function stop(program: Program): ReturnType<Program['ends']> {
  program.process.kill('SIGTERM');
  return program.ends();
}

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, inject } from 'vitest';
import { type Program, runProgram } from './program.js';

const CHECKOUT = new URL('../..', import.meta.url).pathname;
const SOURCES = [
  'src',
  '.prettierrc.json',
  'nest-cli.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'eslint.config.js',
];
const BUILD = ['dist', 'migrations', 'package.json'];

export interface Finished {
  readonly code: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
}

/** A checkout of the project of its own, in which commands may write migrations. */
export interface Project {
  readonly folder: string;
  /** Starts the admin command, without waiting for it. */
  start(args: readonly string[], env?: Record<string, string>): Program;
  /** Runs the admin command with this standard input. */
  admin(
    args: readonly string[],
    options?: { input?: string | Buffer; env?: Record<string, string> },
  ): Promise<Finished>;
  /** Runs a command that has to succeed, and returns what it prints. */
  does(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Runs a command that has to fail with one line and write nothing, and returns the line. */
  fails(args: readonly string[], options?: RunOptions): Promise<string>;
  /** All that its commands wrote so far. */
  said(): string;
  /** The migrations that are not the project's own, by name. */
  written(): Promise<Map<string, string>>;
  /** Compiles as the project's build does; rejects with the compiler's words when something does not type-check. */
  build(): Promise<void>;
  exec(program: string, args: readonly string[]): Promise<void>;
  remove(): Promise<void>;
}

export async function makeProject(env: Record<string, string>): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'im-signature-project-'));
  for (const part of SOURCES) await cp(join(CHECKOUT, part), join(folder, part), { recursive: true });
  for (const part of BUILD) await cp(join(inject('root'), part), join(folder, part), { recursive: true });
  await symlink(join(CHECKOUT, 'node_modules'), join(folder, 'node_modules'));
  const own = new Set(await readdir(join(folder, 'migrations')));

  let said = '';

  const project: Project = {
    folder,
    start: (args, more = {}) =>
      runProgram(
        process.execPath,
        [join(folder, 'dist/src/cli/main.js'), ...args],
        { ...env, ...more },
        folder,
      ),
    async admin(args, { input = '', env: more } = {}) {
      const program = project.start(args, more);
      program.process.stdin?.end(input);
      const code = await program.ends();
      said += program.output();
      return { code, stdout: program.stdout(), stderr: program.stderr() };
    },
    async does(args, options) {
      const { code, stdout, stderr } = await project.admin(args, options);
      expect(code, stderr).toBe(0);
      expect(stderr).toBe('');
      return stdout;
    },
    async fails(args, options) {
      const before = await project.written();
      const { code, stdout, stderr } = await project.admin(args, options);
      expect(code, stderr).toBe(1);
      expect(stdout).toBe('');
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(await project.written(), 'nothing is written').toEqual(before);
      return stderr.trim();
    },
    said: () => said,
    async written() {
      const names = (await readdir(join(folder, 'migrations'))).filter((name) => !own.has(name)).sort();
      const texts = names.map(
        async (name) => [name, await readFile(join(folder, 'migrations', name), 'utf8')] as const,
      );
      return new Map(await Promise.all(texts));
    },
    build: () =>
      project.exec('tsc', [
        '--project',
        'tsconfig.build.json',
        '--incremental',
        '--tsBuildInfoFile',
        'tsc.json',
      ]),
    async exec(program, args) {
      try {
        await promisify(execFile)(join(folder, 'node_modules/.bin', program), args, { cwd: folder });
      } catch (error) {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        throw new Error(`${program} ${args.join(' ')}:\n${stdout}${stderr}`, { cause: error });
      }
    },
    remove: () => rm(folder, { recursive: true }),
  };
  return project;
}

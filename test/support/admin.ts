import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { built } from './built.js';
import { recordEnvironment, recordOutput } from './recorded.js';
import { type Program, run } from './program.js';

export interface Finished {
  readonly code: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  input?: string | Buffer;
  /** Instead of `input`. */
  stdin?: Readable;
  env?: Record<string, string>;
}

/** An administrator with a folder for registrations, who runs the admin command as it was built. */
export interface Admin {
  /** Where registrations are written. */
  readonly migrations: string;
  /** Runs a command in this process, with nothing in the environment but what is given. */
  im(args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Runs a command that has to succeed, and returns what it prints. */
  does(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Runs a command that has to fail with one line and write nothing, and returns the line. */
  fails(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts a command as a process of its own, for signals, prompts and exit codes. */
  start(args: readonly string[], env?: Record<string, string>): Program;
  /** All that commands in this process wrote so far. */
  said(): string;
  /** The registrations, by the names of their files. */
  written(): Promise<Map<string, string>>;
  remove(): Promise<void>;
}

export async function makeAdmin(env: Record<string, string>): Promise<Admin> {
  const migrations = await mkdtemp(join(tmpdir(), 'im-signature-registrations-'));
  const { run: runCommand } = await built<typeof import('../../src/cli/program.js')>('src/cli/program.js');
  const { Io } = await built<typeof import('../../src/cli/io.js')>('src/cli/io.js');
  const environment = { MIGRATIONS_DIR: migrations, ...env };
  recordEnvironment(environment);
  let said = '';

  const admin: Admin = {
    migrations,
    async im(args, { input = '', stdin = Readable.from(input === '' ? [] : [Buffer.from(input)]), env: more } = {}) {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const written = Promise.all([text(stdout), text(stderr)]);
      const code = await runCommand(args, new Io({ stdin, stdout, stderr }, { ...environment, ...more }));
      stdout.end();
      stderr.end();
      const [out, err] = await written;
      recordOutput(out + err);
      said += out + err;
      return { code, stdout: out, stderr: err };
    },
    async does(args, options) {
      const { code, stdout, stderr } = await admin.im(args, options);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return stdout;
    },
    async fails(args, options) {
      const before = await admin.written();
      const { code, stdout, stderr } = await admin.im(args, options);
      expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^im-signature: .*\n$/);
      expect(await admin.written(), 'nothing is written').toEqual(before);
      return stderr.trim();
    },
    start: (args, more = {}) => run('src/cli/main.js', { ...environment, ...more }, args),
    said: () => said,
    async written() {
      const texts = (await readdir(migrations))
        .sort()
        .map(async (name) => [name, await readFile(join(migrations, name), 'utf8')] as const);
      return new Map(await Promise.all(texts));
    },
    remove: () => rm(migrations, { recursive: true }),
  };
  return admin;
}

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject } from 'vitest';
import { hmacSecretPurpose, seal } from '../../src/apps/sealing.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { adminOptions, connect } from '../../src/database/data-source.js';
import { makeDemoApps } from '../../src/demo.js';
import { DIST } from '../support/built.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { secretKey } from '../support/issuer.js';
import { type Program, runProgram } from '../support/program.js';
import { BANNED, SECRETS_KEY } from './postgres-server.js';

/** What signs the tokens of app 3. */
export const TOKEN_SECRET = 'what the app and its issuer share';
export const TOKEN_KEY = secretKey(TOKEN_SECRET);

/** The service as a process, on a database of its own with the demo apps. */
export interface ServiceProcess {
  readonly url: string;
  readonly pid: number;
  readonly database: TestDatabase;
  readonly program: Program;
  /** How many files and sockets it has open. */
  descriptors(): Promise<number>;
  /** Megabytes that it has in memory now, or had at most. */
  memory(which?: 'now' | 'at most'): Promise<number>;
  /** From here on `at most` counts anew. */
  forgetPeak(): Promise<void>;
  /** Ends it, and expects that it has run from its start until now, and ends as it should. */
  end(): Promise<void>;
}

/** @param limits a shell's `ulimit` and its options, for this process. */
export async function startProcess(env: Record<string, string> = {}, limits = 'true'): Promise<ServiceProcess> {
  const database = await makeDatabase('migrated');
  const dataSource = await connect(adminOptions(database.url));
  const keys = parseSecretsKey(SECRETS_KEY);
  await makeDemoApps(dataSource, keys);
  await dataSource.destroy();
  await database.query(`UPDATE app_identity SET sealed_hmac_secret = $1 WHERE app_id = '3'`, [
    seal(TOKEN_SECRET, hmacSecretPurpose('3'), keys),
  ]);
  await database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('1', '${BANNED}')`);
  const program = runProgram(
    '/bin/sh',
    ['-c', `${limits} && exec "$0" "$@"`, process.execPath, join(DIST, 'src/main.js')],
    { MIGRATIONS_DIR: inject('registrations'), PORT: '0', DATABASE_URL: database.url, SECRETS_KEY, ...env },
    tmpdir(),
  );
  const [, url = ''] = await program.prints(/Ready on (http:[\w./:-]+)/);
  const { pid = 0 } = program.process;
  return {
    url,
    pid,
    database,
    program,
    descriptors: async () => (await readdir(`/proc/${pid}/fd`)).length,
    async memory(which = 'now') {
      const name = which === 'now' ? 'VmRSS' : 'VmHWM';
      const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(await readFile(`/proc/${pid}/status`, 'utf8'));
      return Math.round(Number(kilobytes?.[1]) / 1024);
    },
    // proc(5), /proc/pid/clear_refs.
    forgetPeak: () => writeFile(`/proc/${pid}/clear_refs`, '5'),
    async end() {
      expect(program.process.exitCode).toBeNull();
      expect(program.output()).not.toMatch(/unhandled/i);
      program.process.kill('SIGTERM');
      expect(await program.ends()).toBe(0);
      await database.drop();
    },
  };
}

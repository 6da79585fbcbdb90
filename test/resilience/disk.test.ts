import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Program, run } from '../support/program.js';
import { underLoad } from './load.js';
import { BANNED } from './postgres-server.js';
import { measured } from './table.js';

const execute = promisify(execFile);
/** Milliseconds that an answer may take: none waits for the disk. */
const ANY_ANSWER = 2_000;
const MEMBERS = 20_000;

if (!canMount()) process.stdout.write('tmpfs cannot be mounted (needs root): the tests of a full disk are skipped\n');

/** Whether this account may have a disk of its own. */
function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'im-signature-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(folder);
  }
}

let dataDir: string;
let service: Program;
let url: string;

async function start(): Promise<void> {
  service = run('src/main.js', { PORT: '0', DATA_DIR: dataDir });
  [, url = ''] = await service.prints(/Ready on (http:[\w./:-]+)/);
}

/** Runs a command to its end. */
async function command(...args: readonly string[]) {
  const program = run('src/cli/main.js', { DATA_DIR: dataDir }, args);
  return { code: await program.ends(), stdout: program.stdout(), stderr: program.stderr() };
}

const ban = (clientId: string) => command('ban', 'add', '--app-id', '1', '--client-id', clientId);
const login = async (clientId: string): Promise<number> => (await fetch(`${url}/signature/login/1/${clientId}`)).status;

async function fill(): Promise<void> {
  const filling = execute('dd', ['if=/dev/zero', `of=${join(dataDir, 'filler')}`, 'bs=4k']);
  await expect(filling).rejects.toThrow(/No space left/);
}

const makeRoom = (): Promise<void> => rm(join(dataDir, 'filler'));

describe.runIf(canMount())('the embedded PostgreSQL on a disk of its own,', () => {
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'im-signature-disk-'));
    // As root, PostgreSQL runs under another account, which has to reach its data.
    await execute('mount', ['-t', 'tmpfs', '-o', 'mode=755,size=112m', 'tmpfs', dataDir]);
    await start();
    expect((await ban(BANNED)).code).toBe(0);
  });

  afterAll(async () => {
    try {
      expect(service.output()).not.toMatch(/unhandled/i);
      service.process.kill('SIGTERM');
      expect(await service.ends()).toBe(0);
    } finally {
      await execute('umount', ['-l', dataDir]);
      await rmdir(dataDir);
    }
  });

  describe('the disk of the embedded PostgreSQL is full', () => {
    it('logins and rules as ever; a write that needs room says so, and works with room again', async (context) => {
      const file = join(await mkdtemp(join(tmpdir(), 'im-signature-members-')), 'members.csv');
      const rows = Array.from({ length: MEMBERS }, (_, i) => `c,m${i}`);
      await writeFile(file, ['conversation_id,client_id', ...rows].join('\n'));
      const load = () => command('members', 'import', '--app-id', '1', '--create-conversations', file);
      const figures = await underLoad(url, {
        fault: async () => {
          await fill();
          // A page of the table has room for it, or it is refused.
          const { code } = await ban('banned-when-full');
          expect(await login('banned-when-full')).toBe(code === 0 ? 403 : 200);
          const loaded = await load();
          expect(loaded.code).toBe(1);
          expect(loaded.stderr).toMatch(/^im-signature: .*No space left on device; nothing was loaded\n$/);
        },
        lasts: 1_000,
        mend: makeRoom,
      });
      measured(context, `${figures.text}; well ${(figures.recoveredAfter / 1000).toFixed(2)} s after it ends`);
      expect(figures.wrong).toEqual([]);
      expect(figures.refused).toBe(0);
      expect(figures.slowest).toBeLessThan(ANY_ANSWER);
      expect((await load()).code).toBe(0);
      expect((await ban('banned-after')).code).toBe(0);
      expect(await login('banned-after')).toBe(403);
      await rm(join(file, '..'), { recursive: true });
    });
  });

  describe('the disk of the embedded PostgreSQL is full, and its write-ahead log, too', () => {
    it('both end, and say so; they start when there is room, with all data', async (context) => {
      const { stdout } = await command('database', 'url');
      await fill();
      const client = new Client({ connectionString: stdout.trim() });
      client.on('error', () => undefined);
      await client.connect();
      const began = performance.now();
      // More than the segments that are there.
      await expect(client.query(`SELECT pg_logical_emit_message(false, '', repeat('x', 64000000))`)).rejects.toThrow();
      expect(await service.ends()).toBe(1);
      const ended = performance.now();
      expect(service.output()).toContain('The embedded PostgreSQL has ended. Start the service again.');

      const refused = run('src/main.js', { PORT: '0', DATA_DIR: dataDir });
      expect(await refused.ends()).toBe(1);
      expect(refused.stderr()).toMatch(
        /^im-signature did not start\. .*the disk is full\. Make room on that disk.*\n$/,
      );

      await makeRoom();
      const again = performance.now();
      await start();
      expect(await login(BANNED)).toBe(403);
      expect(await login('alice')).toBe(200);
      const seconds = (ms: number): string => (ms / 1000).toFixed(1);
      measured(
        context,
        `exit code 1 after ${seconds(ended - began)} s; with room 200 after ${seconds(performance.now() - again)} s`,
      );
    });
  });
});

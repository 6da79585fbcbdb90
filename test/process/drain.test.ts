import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { type Program, run } from '../support/program.js';

const SECRETS_KEY = randomBytes(32).toString('base64');
const LOGIN = '/signature/login/shop/alice';
const READY = /Ready on (http:[\w./:-]+)/;

let database: TestDatabase;
const started: Program[] = [];

beforeAll(async () => {
  database = await makeDatabase('migrated');
  await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('shop', 'Shop', 'none')`);
  const sealed = seal('key', masterKeyPurpose('shop', 1), parseSecretsKey(SECRETS_KEY));
  await database.query(`INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ('shop', 1, $1)`, [sealed]);
});

afterAll(() => database.drop());

afterEach(async () => {
  for (const program of started.splice(0)) {
    program.process.kill('SIGKILL');
    await program.ends();
  }
});

async function start(env: Record<string, string> = {}): Promise<Program & { url: string }> {
  const service = run('src/main.js', {
    PORT: '0',
    DATABASE_URL: database.url,
    SECRETS_KEY,
    RATE_LIMIT_PER_MINUTE: '0',
    ...env,
  });
  started.push(service);
  const [, url = ''] = await service.prints(READY);
  return { ...service, url };
}

async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  return socket;
}

interface Answer {
  readonly status: number | undefined;
  readonly closes: boolean;
}

async function ask(url: string, agent?: Agent): Promise<Answer> {
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode, closes: response.headers.connection === 'close' };
}

/** Asks again and again on one connection, until an answer says that it closes. */
async function askUntilTold(url: string, asking: () => void): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (;;) {
    const { status, closes } = await ask(url, agent);
    expect(status).toBe(200);
    if (closes) return;
    asking();
  }
}

describe('SIGTERM', () => {
  it('loses no request of clients that ask in a loop and heed "Connection: close", stop after stop', async () => {
    for (let stop = 0; stop < 4; stop++) {
      const service = await start();
      let answers = 0;
      const asking = () => answers++;
      const clients = Promise.allSettled(Array.from({ length: 32 }, () => askUntilTold(service.url + LOGIN, asking)));
      await vi.waitUntil(() => answers > 500, { timeout: 30_000 });
      service.process.kill('SIGTERM');
      expect((await clients).filter(({ status }) => status === 'rejected')).toEqual([]);
      expect(await service.ends()).toBe(0);
    }
  });

  it('goes on answering for the delay, and tells each client that its connection closes', async () => {
    const service = await start({ SHUTDOWN_DELAY_MS: '600000' });
    const agent = new Agent({ keepAlive: true });
    expect(await ask(service.url + LOGIN, agent)).toEqual({ status: 200, closes: false });
    service.process.kill('SIGTERM');
    await service.prints(/SIGTERM: accepts requests for 600000 ms more/);
    for (let i = 0; i < 3; i++) expect(await ask(service.url + LOGIN, agent)).toEqual({ status: 200, closes: true });
    expect(await ask(service.url + LOGIN)).toEqual({ status: 200, closes: true });
  });

  it('lets a request finish that waits for PostgreSQL', async () => {
    const service = await start();
    await database.query('BEGIN');
    await database.query('LOCK TABLE client_bans IN ACCESS EXCLUSIVE MODE');
    const answer = ask(service.url + LOGIN, new Agent({ keepAlive: true }));
    await vi.waitUntil(async () => (await database.waitingForTables()) > 0);
    service.process.kill('SIGTERM');
    await service.prints(/SIGTERM: ends when/);
    await database.query('ROLLBACK');
    // On a machine that is slow enough, PostgreSQL has cancelled its query.
    const { status, closes } = await answer;
    expect([200, 503]).toContain(status);
    expect(closes).toBe(true);
    expect(await service.ends()).toBe(0);
  });

  it('waits for no connection on which nothing ever came, or that waits for its next request', async () => {
    const service = await start({ SHUTDOWN_TIMEOUT_MS: '600000' });
    await openSocket(service.url);
    await ask(service.url + LOGIN, new Agent({ keepAlive: true }));
    service.process.kill('SIGTERM');
    expect(await service.ends()).toBe(0);
  });

  it('waits for half a request until the time-out, and no longer', async () => {
    const service = await start({ SHUTDOWN_TIMEOUT_MS: '1500' });
    const socket = await openSocket(service.url);
    socket.write('GET / HTTP/1.1\r\n');
    // What was sent before it has been read when this is answered.
    await ask(service.url);
    service.process.kill('SIGTERM');
    expect(await service.ends()).toBe(0);
    expect(service.output()).toContain('1 connections were still open after 1500 ms, and were cut');
  });
});

describe('a second signal ends it at once', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s, with exit code %i', async (signal, code) => {
    const service = await start({ SHUTDOWN_DELAY_MS: '600000' });
    service.process.kill(signal === 'SIGINT' ? 'SIGTERM' : 'SIGINT');
    await service.prints(/accepts requests/);
    service.process.kill(signal);
    expect(await service.ends()).toBe(code);
  });

  it('also the same once more, unless it is the echo that npm makes of a Ctrl-C', async () => {
    const service = await start({ SHUTDOWN_DELAY_MS: '600000' });
    service.process.kill('SIGINT');
    await service.prints(/accepts requests/);
    service.process.kill('SIGINT');
    expect((await ask(service.url + LOGIN)).status).toBe(200);
    const again = setInterval(() => service.process.kill('SIGINT'), 50);
    expect(await service.ends()).toBe(130);
    clearInterval(again);
  });
});

it('the loss of its terminal ends it as SIGTERM does', async () => {
  const service = await start({ SHUTDOWN_DELAY_MS: '100' });
  service.process.kill('SIGHUP');
  await service.prints(/SIGHUP: accepts requests for 100 ms more/);
  expect((await ask(service.url + LOGIN)).status).toBe(200);
  expect(await service.ends()).toBe(0);
});

it('the start and the end say what ran: version, commit and Node', async () => {
  const service = await start({ GIT_COMMIT: '067aa37' });
  service.process.kill('SIGTERM');
  await service.ends();
  const what = String.raw`\(im-signature \d+\.\d+\.\d+, commit 067aa37, Node v\d+\.\d+\.\d+\)`;
  expect(service.output()).toMatch(new RegExp(`Ready on http:\\S+ ${what}\\n`));
  expect(service.output()).toMatch(new RegExp(`Ended ${what}\\n$`));
});

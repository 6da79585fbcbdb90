import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { DIST } from '../support/built.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { type Program, run, runProgram } from '../support/program.js';

const MAIN = 'src/main.js';
const READY = /Ready on (http:[\w./:-]+)/;
const SECRETS_KEY = randomBytes(32).toString('base64');
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

let database: TestDatabase;
let env: Record<string, string>;
const started: Program[] = [];

beforeAll(async () => {
  database = await makeDatabase('migrated');
  await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('shop', 'x', 'none')`);
  await database.query(`INSERT INTO app_master_keys VALUES ('shop', 1, $1)`, [
    seal(randomBytes(16), masterKeyPurpose('shop', 1), parseSecretsKey(SECRETS_KEY)),
  ]);
  env = { DATABASE_URL: database.url, SECRETS_KEY, PORT: '0' };
});

afterEach(async () => {
  for (const program of started.splice(0)) {
    program.process.kill('SIGTERM');
    await program.ends();
  }
});

afterAll(() => database.drop());

function start(more: Record<string, string> = {}): Program {
  const program = run(MAIN, { ...env, ...more });
  started.push(program);
  return program;
}

const status = async (url: string): Promise<number> => (await fetch(url)).status;

describe('a log on a full disk', () => {
  it('keeps the service neither from its start nor from its work', async () => {
    const port = await freePort();
    const program = runProgram(
      'sh',
      ['-c', `exec "${process.execPath}" "${join(DIST, MAIN)}" >/dev/full 2>&1`],
      { ...env, MIGRATIONS_DIR: inject('registrations'), PORT: String(port), LOG_LEVEL: 'debug' },
      tmpdir(),
    );
    started.push(program);
    const url = `http://127.0.0.1:${port}`;
    await expect.poll(() => status(`${url}/health/ready`).catch(() => 0), { timeout: 30_000 }).toBe(200);
    await database.query('ALTER TABLE client_bans RENAME TO client_bans_away');
    for (let i = 0; i < 20; i++) expect(await status(`${url}/signature/login/shop/a`)).toBe(503);
    await database.query('ALTER TABLE client_bans_away RENAME TO client_bans');
    expect(await status(`${url}/signature/login/shop/a`)).toBe(200);
    program.process.kill('SIGTERM');
    expect(await program.ends()).toBe(0);
  });
});

// Linux has this program, and its own form of it.
describe.skipIf(process.platform !== 'linux')('a log in a terminal that takes no output', () => {
  it('loses its lines, counts them, and keeps no request waiting', async () => {
    const terminal = runProgram(
      'script',
      ['--quiet', '--return', '--command', `exec "${process.execPath}" "${join(DIST, MAIN)}"`, '/dev/null'],
      { ...env, MIGRATIONS_DIR: inject('registrations'), LOG_LEVEL: 'debug', SHELL: '/bin/sh' },
      tmpdir(),
    );
    started.push(terminal);
    const [, url = ''] = await terminal.prints(READY);
    // Ctrl-S. The terminal acts on it some time after it was typed: from then on, nothing is printed.
    terminal.process.stdin?.write('\x13');
    const lines = (): number => terminal.stdout().split('\n').length;
    let before: number;
    do {
      before = lines();
      expect(await status(`${url}/signature/login/shop/a`)).toBe(200);
    } while (lines() > before);
    for (let i = 0; i < 2_000; i++) expect(await status(`${url}/signature/login/shop/a`)).toBe(200);
    // Ctrl-Q
    terminal.process.stdin?.write('\x11');
    await terminal.prints(/[1-9]\d* lines of the log could not be written, and are lost/);
  });
});

describe('in production', () => {
  /** The lines of the log that are about requests. */
  function requestsIn(program: Program): Record<string, unknown>[] {
    const lines = program.stdout().trim().split('\n');
    return lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ context }) => context === 'Request');
  }

  it('the log is JSON, a line for each refusal', async () => {
    const service = start({ NODE_ENV: 'production' });
    const [, url = ''] = await service.prints(READY);
    const headers = { 'x-request-id': 'mine', traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` };
    await fetch(`${url}/signature/login/nowhere/alice`, { headers });
    await service.prints(/"mine"/);
    const [line] = requestsIn(service);
    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      pid: service.process.pid,
      context: 'Request',
      message: 'The app is not registered',
      request_id: 'mine',
      status: 404,
      code: 'app_not_found',
      action: 'login',
      app_id: 'nowhere',
      client_id: 'alice',
      duration_ms: expect.any(Number) as number,
      trace_id: TRACE_ID,
    });
    expect(service.stderr()).toBe('');
  });

  it('an answer has a line at LOG_LEVEL=debug only, without its signature', async () => {
    const quiet = start({ NODE_ENV: 'production' });
    const loud = start({ NODE_ENV: 'production', LOG_LEVEL: 'debug' });
    const headers = { 'x-request-id': 'mine' };
    for (const service of [quiet, loud]) {
      const [, url = ''] = await service.prints(READY);
      const answer = (await (await fetch(`${url}/signature/login/shop/a`, { headers })).json()) as {
        signature: string;
      };
      await fetch(`${url}/signature/login/nowhere/a`);
      await service.prints(/app_not_found/);
      expect(service.output()).not.toContain(answer.signature);
    }
    expect(requestsIn(quiet).map(({ message }) => message)).toEqual(['The app is not registered']);
    expect(requestsIn(loud)[0]).toMatchObject({
      level: 'debug',
      message: 'Answered',
      request_id: 'mine',
      status: 200,
      action: 'login',
      app_id: 'shop',
    });
  });

  it('an outage has one line when it begins', async () => {
    const service = start({ NODE_ENV: 'production' });
    const [, url = ''] = await service.prints(READY);
    await database.query('ALTER TABLE client_bans RENAME TO client_bans_away');
    for (let i = 0; i < 50; i++) expect(await status(`${url}/signature/login/shop/a`)).toBe(503);
    await database.query('ALTER TABLE client_bans_away RENAME TO client_bans');
    service.process.kill('SIGTERM');
    expect(await service.ends()).toBe(0);
    expect(requestsIn(service)).toEqual([
      expect.objectContaining({
        level: 'error',
        message: 'No signature can be made right now: relation "client_bans" does not exist',
        stack: expect.stringContaining('\n    at ') as string,
      }),
      expect.objectContaining({ level: 'warn', refused: 50 }),
    ]);
  });
});

it.each([
  ['error', 0],
  ['warn', 1],
  ['info', 2],
])('LOG_LEVEL=%s shows the lines of this level and above', async (level, count) => {
  const port = await freePort();
  const service = start({ LOG_LEVEL: level, PORT: String(port) });
  await expect.poll(() => status(`http://127.0.0.1:${port}/health/live`).catch(() => 0), { timeout: 30_000 }).toBe(200);
  service.process.kill('SIGTERM');
  await service.ends();
  const levels = service.stdout().match(/ (ERROR|WARN|INFO|DEBUG) /g) ?? [];
  expect(new Set(levels).size).toBe(count);
});

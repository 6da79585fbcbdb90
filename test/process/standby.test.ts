import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { makeDemoApps } from '../../src/demo.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { adminOptions, connect } from '../../src/database/data-source.js';
import type { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import type { ProblemDetails } from '../../src/problems/problem-error.js';
import { built } from '../support/built.js';
import { type Program, run } from '../support/program.js';
import { proxyTo, type TcpProxy } from '../support/tcp-proxy.js';

const SECRETS_KEY = Buffer.alloc(32, 7).toString('base64');

let folder: string;
let primary: EmbeddedPostgres;
/** A copy of the primary from before the ban, in recovery for ever: a standby that lags. */
let standby: EmbeddedPostgres;
let network: TcpProxy;
let service: Program;
let url: string;

beforeAll(async () => {
  const { holdEmbeddedPostgres } = await built<typeof import('../../src/database/embedded/embedded-postgres.js')>(
    'src/database/embedded/embedded-postgres.js',
  );
  const { migrate } = await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');
  folder = await mkdtemp(join(tmpdir(), 'im-signature-standby-'));
  // As root, PostgreSQL runs under another account, which has to reach its data.
  await chmod(folder, 0o755);

  const original = await holdEmbeddedPostgres(join(folder, 'primary'));
  await migrate(original.url, inject('registrations'));
  const dataSource = await connect(adminOptions(original.url));
  await makeDemoApps(dataSource, parseSecretsKey(SECRETS_KEY));
  await dataSource.destroy();
  await original.release();
  await promisify(execFile)('cp', ['-a', join(folder, 'primary'), join(folder, 'standby')]);
  await writeFile(join(folder, 'standby', 'postgres', 'standby.signal'), '');
  primary = await holdEmbeddedPostgres(join(folder, 'primary'));
  standby = await holdEmbeddedPostgres(join(folder, 'standby'));

  const client = new Client({ connectionString: primary.url });
  await client.connect();
  await client.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('1', 'banned')`);
  await client.end();

  network = await proxyTo(primary.url);
  const proxied = new URL(primary.url);
  proxied.port = String(network.port);
  service = run('src/main.js', { PORT: '0', DATABASE_URL: proxied.href, SECRETS_KEY });
  [, url = ''] = await service.prints(/Ready on (http:[\w./:-]+)/);
});

afterAll(async () => {
  service.process.kill('SIGTERM');
  await service.ends();
  await network.close();
  await Promise.all([primary.release(), standby.release()]);
  await rm(folder, { recursive: true });
});

async function login(clientId: string): Promise<string> {
  const response = await fetch(`${url}/signature/login/1/${clientId}`);
  return response.ok ? 'allowed' : ((await response.json()) as ProblemDetails).code;
}

it('a server in recovery is refused at the start', async () => {
  const started = run('src/main.js', { PORT: '0', DATABASE_URL: standby.url, SECRETS_KEY });
  expect(await started.ends()).toBe(1);
  expect(started.output()).toBe(
    'im-signature did not start. DATABASE_URL: PostgreSQL is in recovery, a standby; it must lead to the primary\n',
  );
});

it('a server in recovery at the address of the primary is refused, until the primary is back', async () => {
  expect(await login('banned')).toBe('client_banned');
  expect(await login('alice')).toBe('allowed');
  network.leadTo(standby.url);
  for (let i = 0; i < 20; i++) {
    expect(await login('banned')).toBe('unavailable');
    expect(await login('alice')).toBe('unavailable');
  }
  expect(service.output()).toContain('PostgreSQL cannot be used: PostgreSQL is in recovery, a standby.');
  network.leadTo(primary.url);
  // A connection is tried ten times a second.
  const answers = new Set<string>();
  await vi.waitUntil(async () => answers.add(await login('banned')).has('client_banned'), 30_000);
  expect(answers).not.toContain('allowed');
  expect(await login('alice')).toBe('allowed');
  expect(service.output()).toMatch(/PostgreSQL can be used again, after \d+\.\d s/);
});

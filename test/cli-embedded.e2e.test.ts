import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newSecretsKey } from '../src/config/secrets-key.js';
import { type Admin, makeAdmin } from './support/admin.js';
import { makeDatabase, type TestDatabase } from './support/database.js';
import { run } from './support/program.js';

/** One after the other, on an embedded database with demo apps, and on a database of another environment that shares the registrations. */
let admin: Admin;
let dataDir: string;
let other: TestDatabase;
const SECRETS_KEY = newSecretsKey();
const otherEnvironment = () => ({ env: { DATABASE_URL: other.url, SECRETS_KEY } });
const fault =
  /^shop: master key 1: sealed with key "embedded-\w+", .* kept with the embedded database of another machine/m;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'im-signature-embedded-'));
  await chmod(dataDir, 0o755);
  other = await makeDatabase('migrated');
  admin = await makeAdmin({ DATA_DIR: dataDir });
  const service = run('src/main.js', { PORT: '0', DATA_DIR: dataDir });
  await service.prints(/Ready on/);
  service.process.kill('SIGTERM');
  await service.ends();
});

afterAll(async () => {
  await admin.remove();
  await other.drop();
  await rm(dataDir, { recursive: true, maxRetries: 20 });
});

it('an app that is registered without SECRETS_KEY comes with a warning, before its master key is asked for', async () => {
  const register = ['app', 'register', '--app-id', 'shop', '--name', 'Shop', '--identity', 'none'];
  const { stderr, stdout } = await admin.im(register, { input: '' });
  expect(stderr).toMatch(
    /^warning: sealing with the key "embedded-\w+" of the embedded database \(.*secrets\.key\): good for trying out/m,
  );
  expect(stderr).toContain('"im-signature secrets new"');
  expect(stdout).toBe('');
  await admin.does(register, { input: 'master-key' });
  expect(await admin.does(['migrate'])).toContain('every sealed key opens');
});

it('another environment that applies it says whose key is missing, and fails', async () => {
  const { code, stdout } = await admin.im(['migrate'], otherEnvironment());
  expect(code).toBe(1);
  expect(stdout).toMatch(fault);
});

it('sealed anew with the SECRETS_KEY of both, it opens in both, and the demo apps stay out of the migration', async () => {
  const [embedded = ''] = (await readFile(join(dataDir, 'secrets.key'), 'utf8')).split(':');
  const [id = ''] = SECRETS_KEY.split(':');
  const reseal = ['secrets', 'reseal', '--from', embedded, '--to', id];
  const said = await admin.does(reseal, { env: { SECRETS_KEY } });
  expect(said).toContain(`SECRETS_KEY needs only the key "${id}", with its id: ${id}:<base64>\n`);
  const text = [...(await admin.written()).values()].at(-1) ?? '';
  expect(text.match(/^\/\/ About .*$/gm)).toEqual(['// About the app "shop".']);
  for (const where of [{ env: { SECRETS_KEY } }, otherEnvironment()]) {
    expect(await admin.does(['migrate'], where)).toContain('every sealed key opens');
  }
});

it('an id that is dropped from the key is missed', async () => {
  const { code, stdout } = await admin.im(['app', 'check'], {
    env: { DATABASE_URL: other.url, SECRETS_KEY: SECRETS_KEY.replace(/.*:/, '') },
  });
  expect(code).toBe(1);
  expect(stdout).toMatch(/^shop: .* has only "default": SECRETS_KEY must hold it with its id, k\d+-\w+:<base64>$/m);
});

import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Admin, makeAdmin } from './support/admin.js';
import { makeDatabase, type TestDatabase } from './support/database.js';

const SECRETS_KEY = randomBytes(32).toString('base64');
const REVERT = ['migrate', '--revert', '--yes'];
const HOUR = 3_600_000;

let database: TestDatabase;
let admin: Admin;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  admin = await makeAdmin({ DATABASE_URL: database.url, SECRETS_KEY });
  const register = ['app', 'register', '--app-id', 'shop', '--name', 'Shop', '--identity', 'none'];
  await admin.does(register, { input: 'first-master-key' });
  await admin.does(['migrate']);
});

afterAll(async () => {
  await database.drop();
  await admin.remove();
});

const retire = (version: number): string[] => [
  ...['app', 'retire-key', '--app-id', 'shop', '--key-version', String(version)],
];

async function keys(): Promise<Record<'version' | 'state' | 'sealed_with', unknown>[]> {
  return (JSON.parse(await admin.does(['app', 'show', 'shop', '--json'])) as { keys: Awaited<ReturnType<typeof keys>> })
    .keys;
}

async function rotate(activeFrom?: Date): Promise<void> {
  const from = activeFrom === undefined ? [] : ['--active-from', activeFrom.toISOString()];
  await admin.does(['app', 'rotate-key', '--app-id', 'shop', ...from], { input: `key-${String(activeFrom)}` });
  await admin.does(['migrate']);
}

describe('a master key', () => {
  it('that signs is the same in an environment that is built anew from the registrations', async () => {
    const first = await makeDatabase('migrated');
    const admins = await makeAdmin({ DATABASE_URL: first.url, SECRETS_KEY });
    const register = ['app', 'register', '--app-id', 'shop', '--name', 'Shop', '--identity', 'none'];
    await admins.does(register, { input: 'one' });
    await admins.does(['migrate']);
    const rotation = ['app', 'rotate-key', '--app-id', 'shop'];
    await admins.does(rotation, { input: 'two' });
    await admins.does(['migrate']);
    const begins = new Date(Date.now() + 1_000);
    await admins.does([...rotation, '--active-from', begins.toISOString()], { input: 'three' });
    await admins.does(['migrate']);
    const signing = async (url: string): Promise<unknown> => {
      const shown = await admins.does(['app', 'show', 'shop', '--json'], { env: { DATABASE_URL: url } });
      return (JSON.parse(shown) as { key_in_force: unknown }).key_in_force;
    };
    await vi.waitUntil(async () => (await signing(first.url)) === 3, { timeout: 10_000 });

    const second = await makeDatabase('migrated');
    await admins.does(['migrate'], { env: { DATABASE_URL: second.url } });
    expect(await signing(second.url)).toBe(3);
    await Promise.all([first.drop(), second.drop(), admins.remove()]);
  });

  it('is not retired while it signs, before it has signed, or where it is not', async () => {
    await rotate(new Date(Date.now() + HOUR));
    expect((await keys()).map(({ state }) => state)).toEqual(['signing', 'scheduled']);
    expect(await admin.fails(retire(1))).toMatch(/"shop" signs; first let another one sign with .*rotate-key"$/);
    expect(await admin.fails(retire(2))).toMatch(/has not signed yet; revert the migration that adds it instead$/);
    expect(await admin.fails(retire(3))).toMatch(/there is no version 3 .*; "im-signature app show" shows/);
    expect((await admin.im(['app', 'retire-key', '--app-id', 'shop', '--key-version', '0'])).code).toBe(2);
  });

  it('that signs no more is erased by a migration, and its row stays', async () => {
    await rotate();
    const said = await admin.does(retire(1));
    expect(said).toMatch(/retire-key-shop\.mjs\n/);
    expect(said).toContain('Once it is applied it cannot be reverted.');
    expect(await admin.does(['migrate'])).toMatch(/^applied RetireKeyShop\d+\nevery sealed key opens/);
    expect(await keys()).toMatchObject([
      { version: 1, state: 'retired', sealed_with: 'erased' },
      { version: 3, state: 'signing', sealed_with: 'default' },
      { version: 2, state: 'scheduled', sealed_with: 'default' },
    ]);
    expect(await database.query('SELECT version FROM app_master_keys WHERE sealed_key IS NULL')).toEqual([
      { version: 1 },
    ]);
    expect(await admin.does(['app', 'check'])).toBe('every sealed key opens, and every app has a key that signs\n');
    expect(await admin.does(['sign', 'login', '--app-id', 'shop', '--client-id', 'a'])).toContain('signature');
    expect(await admin.fails(retire(1))).toMatch(/is erased already; nothing to do$/);
    expect(await admin.fails(REVERT)).toMatch(
      /\(a master key that is erased cannot be brought back\); nothing is reverted$/,
    );
    expect(await keys()).toHaveLength(3);
  });

  it('that signs again by the time its migration is applied is not erased', async () => {
    await rotate();
    await admin.does(retire(3));
    await database.query(`UPDATE app_master_keys SET active_from = now() + interval '1 hour' WHERE version = 4`);
    expect(await admin.fails(['migrate'])).toContain('the master key signs, or is erased already');
    expect((await keys()).find(({ state }) => state === 'signing')).toMatchObject({ version: 3 });
    for (const name of (await admin.written()).keys()) {
      if (name.includes('retire-key')) await rm(join(admin.migrations, name));
    }
  });

  it('that is erased and has to sign is named by app check, and nothing is signed', async () => {
    await database.query(`UPDATE app_master_keys SET sealed_key = NULL`);
    expect(await admin.im(['app', 'check'])).toMatchObject({
      code: 1,
      stdout: 'shop: master key 3: is erased\nshop: master key 2: is erased\nshop: master key 4: is erased\n',
    });
    expect(await admin.fails(['sign', 'login', '--app-id', 'shop', '--client-id', 'a'])).toMatch(
      /Master key 3 of app shop: is erased; "im-signature app check" checks its keys$/,
    );
  });
});

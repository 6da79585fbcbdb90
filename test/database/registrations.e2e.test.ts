import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { built } from '../support/built.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';

const { changeOf, writeRegistration } = await built<typeof import('../../src/database/registrations.js')>(
  'src/database/registrations.js',
);
const { migrate, revertLast } = await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');

/** Characters that end a text, or begin an expression, in SQL, in JavaScript or in a comment. */
const HOSTILE = "O'Neill \\ \\' \" ` ${process.exit(1)} */ -- \r \u2028 \u2029 店 $1 :name %s";
const APP = {
  app_id: HOSTILE.replace(':name', '').replace('\r', '').slice(0, 60),
  name: HOSTILE,
  disabled: false,
  identity: 'jwt',
  timestamp_format: 'seconds',
  membership: 'off',
  membership_mode: 'enforce',
  max_members: 500,
};
const IDENTITY = {
  app_id: APP.app_id,
  issuer: HOSTILE,
  audience: null,
  client_id_claim: 'sub',
  algorithms: ['RS256', 'ES256'],
  jwks_uri: null,
  jwks: { keys: [{ kty: 'RSA', kid: HOSTILE, n: 'AQAB', e: 'AQAB' }] },
  sealed_hmac_secret: null,
};
const KEY = { app_id: APP.app_id, version: 1, sealed_key: 'v1.default.AAAA', active_from: null };

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  folder = await mkdtemp(join(tmpdir(), 'im-signature-registrations-'));
});

afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

async function write(slug: string, ...changes: ReturnType<typeof changeOf>[]): Promise<void> {
  await writeRegistration(folder, {
    slug,
    appIds: [APP.app_id],
    comment: 'A test.',
    changes: changes.filter((change) => change !== undefined),
  });
}

const TABLES = ['apps', 'app_master_keys', 'app_identity'];

async function rows(): Promise<object[][]> {
  const all: object[][] = [];
  for (const table of TABLES) {
    const found = await database.query<{ row: object }>(
      `SELECT to_jsonb(t) - '{created_at,updated_at,membership_mode_since,active_from}'::text[] AS row FROM ${table} t`,
    );
    all.push(found.map(({ row }) => row));
  }
  return all;
}

describe('a registration', () => {
  it('writes every value exactly, whatever characters it holds, and reverts to the values before', async () => {
    const states = [await rows()];
    const key = ['app_id', 'version'];
    await write(
      'register-app',
      changeOf('apps', ['app_id'], undefined, APP),
      changeOf('app_master_keys', key, undefined, KEY),
      changeOf('app_identity', ['app_id'], undefined, IDENTITY),
    );
    expect(await migrate(database.url, folder)).toHaveLength(1);
    states.push(await rows());
    const keyRow = { app_id: KEY.app_id, version: 1, sealed_key: KEY.sealed_key };
    expect(states[1]).toEqual([[APP], [keyRow], [IDENTITY]]);

    await write('set-app', changeOf('apps', ['app_id'], APP, { ...APP, name: 'Plain', max_members: 3 }));
    await write('drop-identity', changeOf('app_identity', ['app_id'], IDENTITY, undefined));
    await write('reseal', changeOf('app_master_keys', key, KEY, { ...KEY, sealed_key: 'v1.new.AAAA' }, true));
    await migrate(database.url, folder);
    expect(await rows()).toEqual([
      [{ ...APP, name: 'Plain', max_members: 3 }],
      [{ ...keyRow, sealed_key: 'v1.new.AAAA' }],
      [],
    ]);
    for (let i = 0; i < 3; i++) await revertLast(database.url, folder);
    expect(await rows()).toEqual(states[1]);
    expect(await revertLast(database.url, folder)).toMatch(/^RegisterApp\d{13}$/);
    expect(await rows()).toEqual(states[0]);
  });

  it('that replaces a value fails, and changes nothing, where the value is another one by now', async () => {
    const name = (await readdir(folder)).find((file) => file.includes('register-app')) ?? '';
    for (const file of await readdir(folder)) if (file !== name) await rm(join(folder, file));
    await migrate(database.url, folder);
    await database.query(`UPDATE app_master_keys SET sealed_key = 'v1.other.AAAA'`);
    await write(
      'reseal',
      changeOf('app_master_keys', ['app_id', 'version'], KEY, { ...KEY, sealed_key: 'v1.new.AAAA' }, true),
    );
    const printed = vi.spyOn(console, 'log');
    await expect(migrate(database.url, folder)).rejects.toThrow(
      'the row does not have the value that this migration replaces',
    );
    expect(printed).not.toHaveBeenCalled();
    expect(await database.query('SELECT sealed_key FROM app_master_keys')).toEqual([{ sealed_key: 'v1.other.AAAA' }]);
  });

  it('passes the type checker', async () => {
    await write('disable-app', changeOf('apps', ['app_id'], APP, { ...APP, disabled: true }));
    const require = createRequire(import.meta.url);
    const typeorm = join(import.meta.dirname, '../../node_modules/typeorm/index.d.ts');
    const compilerOptions = { allowJs: true, checkJs: true, strict: true, noEmit: true, skipLibCheck: true, types: [] };
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { ...compilerOptions, module: 'nodenext', paths: { typeorm: [typeorm] } },
        include: ['*.mjs'],
      }),
    );
    const check = () => promisify(execFile)(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', folder]);
    await check();

    const [file = ''] = (await readdir(folder)).filter((name) => name.endsWith('disable-app.mjs'));
    const text = await readFile(join(folder, file), 'utf8');
    await writeFile(join(folder, file), text.replace('queryRunner.query(', 'queryRunner.ask('));
    await expect(check(), 'and the check is able to fail').rejects.toThrow();
  });
});

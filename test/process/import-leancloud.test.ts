import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Admin, makeAdmin } from '../support/admin.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { conversation, exportOf, memberInfo } from '../support/leancloud-export.js';

const CONVERSATIONS = 100_000;
/** In the first of them: a line of 13 MB. */
const MANY = 300_000;

/** For a busy machine: a quiet one takes some 40 s. */
const LONG = 300_000;

let database: TestDatabase;
let admin: Admin;
let folder: string;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  admin = await makeAdmin({ DATABASE_URL: database.url, SECRETS_KEY: randomBytes(32).toString('base64') });
  folder = await mkdtemp(join(tmpdir(), 'im-signature-import-'));
  await database.query(
    `INSERT INTO apps (app_id, name, identity, membership) VALUES ('shop', 'x', 'none', 'required')`,
  );
});

afterAll(async () => {
  await database.drop();
  await admin.remove();
  await rm(folder, { recursive: true });
});

interface Talk {
  readonly id: string;
  /** The first is the creator. */
  readonly members: readonly string[];
  readonly manager: string | undefined;
}

/** The conversations of a night. In the second one some are gone, some are new, and others have other members and managers. */
function* talksOf(night: 0 | 1): Generator<Talk> {
  yield {
    id: 'all',
    members: Array.from({ length: MANY }, (_, i) => `a client whose id is a little long, ${i + night * 100}`),
    manager: undefined,
  };
  for (let i = night * 50; i < CONVERSATIONS - 1 + night * 50; i++) {
    const second = `client ${i % 100 === 0 ? i + night : i}`;
    yield { id: `talk ${i}`, members: [`owner ${i}`, second], manager: (i + night) % 10 < 5 ? second : undefined };
  }
}

async function writeExport(night: 0 | 1): Promise<string> {
  const talks = [...talksOf(night)];
  const objects = talks.map(({ id, members }) => conversation(id, members, { c: members[0] }));
  const roles = talks.flatMap(({ id, manager }) => (manager === undefined ? [] : [memberInfo(id, manager, 'Manager')]));
  const path = join(folder, `night-${night}.tar.gz`);
  await writeFile(path, await exportOf(objects, roles));
  return path;
}

/** The rows that are in the tables and not in the export, or the other way round. */
async function differences(night: 0 | 1): Promise<unknown[]> {
  const rows = [...talksOf(night)].flatMap(({ id, members, manager }) =>
    members.map((member, i) => [id, member, i === 0 ? 'owner' : member === manager ? 'manager' : 'member'] as const),
  );
  const columns = [0, 1, 2].map((i) => rows.map((row) => row[i]));
  return database.query(
    `WITH exported AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS e (conversation_id, client_id, role)),
     kept AS (
       SELECT conversation_id, client_id, role FROM conversations LEFT JOIN conversation_members USING (app_id, conversation_id)
       WHERE app_id = 'shop'
     )
     (TABLE exported EXCEPT ALL TABLE kept) UNION ALL (TABLE kept EXCEPT ALL TABLE exported) LIMIT 10`,
    columns,
  );
}

it(
  'an export of 100,000 conversations and 500,000 memberships is imported, and the next night what differs: then the tables equal it',
  async () => {
    const imports = async (night: 0 | 1, ...args: string[]): Promise<string> =>
      admin.does(['import', 'leancloud', '--app-id', 'shop', ...args, await writeExport(night)]);
    const first = await imports(0);
    expect(first).toContain('100000 conversations read: 100000 registered');
    expect(first).toContain('499998 memberships read: 499998 added');
    expect(first).toContain('1 of over 500 members');
    expect(await differences(0)).toEqual([]);

    const second = await imports(1, '--remove');
    expect(second).toContain('100000 conversations read: 50 registered, 99950 were registered before');
    expect(second).toMatch(/499998 memberships read: 1199 added, \d+ changed, \d+ unchanged/);
    expect(second).toContain('1099 members, and 50 conversations with their 100 members');
    expect(await differences(1)).toEqual([]);
  },
  LONG,
);

import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'pg';
import { hmacSecretPurpose, masterKeyPurpose, seal } from '../src/apps/sealing.js';
import type { SealingKeys } from '../src/config/secrets-key.js';
import { MASTER_KEY } from './master-key.js';

export interface Request {
  readonly path: string;
  readonly token?: string;
}

/** What a load generator asks for. */
export interface Workload {
  readonly requests: readonly Request[];
  /** The same in a file, for wrk: a path a line, and after a tab its token. */
  readonly file: string;
  readonly connections: number;
}

export interface Scenario extends Workload {
  readonly name: string;
  readonly about: string;
  /** The most that CPU per request may be, as a ratio to bare (docs/design.md, "Performance budget"). */
  readonly goal?: number;
}

/** As many clients, conversations and tokens as no cache of a process holds. */
const MANY = 300_000;
const CROWD = 100_000;
const CONNECTIONS = 32;
const TOKEN_SECRET = randomBytes(32).toString('base64url');

/** Writes the apps, conversations and members that the scenarios ask about. */
export async function seed(database: Client, keys: SealingKeys): Promise<void> {
  const apps = [
    ['open', 'none', 'off'],
    ['ruled', 'none', 'required'],
    ['proven', 'jwt', 'required'],
  ] as const;
  for (const [appId, identity, membership] of apps) {
    await database.query('INSERT INTO apps (app_id, name, identity, membership) VALUES ($1, $1, $2, $3)', [
      appId,
      identity,
      membership,
    ]);
    await database.query('INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ($1, 1, $2)', [
      appId,
      seal(MASTER_KEY, masterKeyPurpose(appId, 1), keys),
    ]);
  }
  await database.query(
    `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ('proven', '{HS256}', $1)`,
    [seal(TOKEN_SECRET, hmacSecretPurpose('proven'), keys)],
  );
  await database.query(`
    INSERT INTO conversations (app_id, conversation_id, member_limit)
    SELECT 'ruled', 'conversation-' || i, 500 FROM generate_series(0, ${MANY - 1}) AS i
    UNION ALL SELECT 'ruled', 'crowd', ${2 * CROWD}
    UNION ALL SELECT 'proven', 'group', 500
    UNION ALL SELECT 'proven', 'town', NULL`);
  await database.query(`
    INSERT INTO conversation_members (app_id, conversation_id, client_id)
    SELECT 'ruled', 'conversation-' || i, 'client-' || i FROM generate_series(0, ${MANY - 1}) AS i
    UNION ALL SELECT 'ruled', 'crowd', 'client-' || i FROM generate_series(0, ${CROWD - 1}) AS i
    UNION ALL SELECT 'proven', 'group', 'client-' || i FROM generate_series(0, 99) AS i
    UNION ALL SELECT 'proven', 'town', 'client-' || i FROM generate_series(0, 999) AS i`);
  await database.query('VACUUM ANALYZE');
}

/** @param folder where the files for wrk go. */
export function makeScenarios(folder: string): Scenario[] {
  const make = (
    name: string,
    about: string,
    requests: readonly Request[],
    rest: { goal?: number; connections?: number } = {},
  ): Scenario => {
    const file = join(folder, `${name}.txt`);
    writeFileSync(file, requests.map(({ path, token = '' }) => `${path}\t${token}\n`).join(''));
    return { name, about, requests, file, connections: CONNECTIONS, ...rest };
  };
  const many = Array.from({ length: MANY }, (_, i) => i);
  const crowd = Array.from({ length: 500 }, (_, i) => `guest-${String(i).padStart(4, '0')}`).join(':');
  return [
    make('open', 'a login, no token, no rules', [{ path: '/signature/login/open/alice' }], { goal: 1.6 }),
    make(
      'token-and-rules',
      'an invite under rules with a token into a group of 100 with a limit of 500, the same again and again',
      [{ path: '/signature/invite/proven/client-0/group/friend', token: tokenOf('client-0', 0) }],
      { goal: 2 },
    ),
    make(
      'always-another',
      `an invite under rules, each time another of ${MANY} clients and conversations`,
      many.map((i) => ({ path: `/signature/invite/ruled/client-${i}/conversation-${i}/friend-${i}` })),
      { goal: 2.2 },
    ),
    make(
      '500-members',
      'an invite of 500 members under rules, with a token',
      [{ path: `/signature/invite/proven/client-0/town/${crowd}`, token: tokenOf('client-0', 0) }],
      { goal: 10 },
    ),
    make(
      'new-tokens',
      'an invite under rules by one of 1,000 clients, each time with a token never seen before (HS256)',
      many.map((i) => ({
        path: `/signature/invite/proven/client-${i % 1000}/town/friend`,
        token: tokenOf(`client-${i % 1000}`, i),
      })),
    ),
    make(
      'counted-join',
      `an invite into a conversation of ${CROWD} members with a limit, who are counted each time`,
      [{ path: '/signature/invite/ruled/client-1/crowd/friend' }],
      { connections: 4 },
    ),
  ];
}

function tokenOf(clientId: string, id: number): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: clientId, exp: Math.floor(Date.now() / 1000) + 86_400, jti: String(id) };
  const unsigned = `${encode({ alg: 'HS256' })}.${encode(claims)}`;
  return `${unsigned}.${createHmac('sha256', TOKEN_SECRET).update(unsigned).digest('base64url')}`;
}

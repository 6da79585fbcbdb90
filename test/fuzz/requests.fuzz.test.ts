import { randomBytes, randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { text } from 'node:stream/consumers';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hmacSecretPurpose, masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { type Program, run } from '../support/program.js';
import { rawRequest } from '../support/raw-request.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';

/** How many requests, and the seed that repeats a run. */
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 1_000_000);
const SEED = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 32));
/** One request of so many is sent as mutated bytes, on a connection of its own. */
const MUTATED = 20;
const CLIENTS = 12;
/** Above what the caches of the service hold at their limits; a leak of a kilobyte a request would exceed it. */
const MAX_MEGABYTES = 512;
const HOURS = 3_600_000;

const SECRETS_KEY = randomBytes(32).toString('base64');
const KEYS: Record<string, string> = { open: 'key-open', jwt: 'key-jwt', 小: 'key-small' };
const SECRET = randomBytes(32).toString('hex');
const ID_PARTS = [
  'a',
  'b',
  'B',
  '1',
  '10',
  '9',
  '.',
  '/',
  '%',
  '?',
  '#',
  ' ',
  '+',
  '小',
  '😀',
  '~',
  'invite',
  'kick',
  '&',
  '=',
];
const BLOCKS = [
  'client-block-conversations',
  'client-unblock-conversations',
  'conversation-block-clients',
  'conversation-unblock-clients',
];
const TAKES_MEMBERS = /^(?:conversion|invite|kick|conversation-.+)$/;
const BAD_PARTS = [':', '\0', '\n', '\u0085', '\ud800', '', 'x'.repeat(65), '..', '//'];

let database: TestDatabase;
let service: Program;
let url: string;
const tokens: string[] = [];

/** mulberry32: a generator of numbers in [0, 1) that a seed repeats. */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = generator(SEED);
const oneIn = (count: number) => random() * count < 1;
const below = (count: number) => Math.floor(random() * count);
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

/** What a request means, in the order of its path; `members` as a text. */
interface Meaning {
  readonly action: string;
  readonly ids: readonly string[];
  readonly members: string;
}

function id(): string {
  if (oneIn(200)) return pick(BAD_PARTS);
  return times(1 + below(3), () => pick(ID_PARTS)).join('');
}

function meaning(): Meaning {
  const action = oneIn(100)
    ? pick(['conversation', 'Login', 'query-', ''])
    : pick(['login', 'conversion', 'invite', 'kick', 'query', ...BLOCKS]);
  const ids = [oneIn(30) ? id() : pick(Object.keys(KEYS)), oneIn(3) ? pick(['alice', 'bob', 'banned']) : id()];
  if (action !== 'login' && action !== 'conversion') ids.push(oneIn(2) ? 'c1' : id());
  const members = times(below(5), id);
  // A duplicate in four, an unsorted list in ten.
  if (members.length > 0 && oneIn(4)) members.push(pick(members));
  if (!oneIn(10)) members.sort();
  return { action, ids, members: TAKES_MEMBERS.test(action) ? members.join(':') : '' };
}

function encode(part: string): string {
  // A half of a surrogate pair has no UTF-8: its bytes are sent as CESU-8 would have them.
  const encoded = part === '\ud800' ? '%ED%A0%80' : encodeURIComponent(part);
  return oneIn(20) ? encoded.replace(/%../g, (byte) => byte.toLowerCase()) : encoded;
}

function pathOf({ action, ids, members }: Meaning): string {
  const list = members
    .split(':')
    .map(encode)
    .join(oneIn(10) ? '%3A' : ':');
  const path = ['', 'signature', action, ...ids.map(encode), ...(members === '' && oneIn(2) ? [] : [list])].join('/');
  const query = oneIn(5) ? pick(['?format=sdk', '?format=', '?x=1', '?format=sdk&format=sdk', '?%']) : '';
  return path + query;
}

function authorization(): Record<string, string> {
  if (oneIn(3)) return {};
  const token = pick(tokens);
  if (!oneIn(10)) return { authorization: `Bearer ${token}` };
  const at = below(token.length);
  return {
    authorization: pick([`Bearer ${token.slice(0, at)}x${token.slice(at + 1)}`, `Basic ${token}`, 'Bearer', token]),
  };
}

/** A real request with some of its bytes changed, dropped or repeated. */
function mutated(): Buffer {
  const bytes = [...Buffer.from(pathOf(meaning()))];
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(bytes.length);
    pick([
      () => (bytes[at] = below(256)),
      () => bytes.splice(at, 1 + below(8)),
      () => bytes.splice(at, 0, ...bytes.slice(at, at + below(64))),
    ])();
  }
  return Buffer.from(bytes);
}

beforeAll(async () => {
  process.stdout.write(`FUZZ_SEED=${SEED}, ${REQUESTS} requests\n`);
  database = await makeDatabase('migrated');
  const sealing = parseSecretsKey(SECRETS_KEY);
  for (const [appId, key] of Object.entries(KEYS)) {
    const identity = appId === 'jwt' ? 'jwt' : 'none';
    await database.query(
      `INSERT INTO apps (app_id, name, identity, membership) VALUES ($1, 'x', $2, 'where-registered')`,
      [appId, identity],
    );
    await database.query('INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ($1, 1, $2)', [
      appId,
      seal(key, masterKeyPurpose(appId, 1), sealing),
    ]);
    await database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ($1, 'banned')`, [appId]);
    await database.query(`INSERT INTO conversations (app_id, conversation_id) VALUES ($1, 'c1')`, [appId]);
    await database.query(
      `INSERT INTO conversation_members (app_id, conversation_id, client_id, role) VALUES ($1, 'c1', 'alice', 'manager')`,
      [appId],
    );
  }
  await database.query(
    `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ('jwt', '{HS256}', $1)`,
    [seal(SECRET, hmacSecretPurpose('jwt'), sealing)],
  );
  for (const sub of ['alice', 'bob', 'banned', 'a', '1', '小']) {
    const token = new SignJWT({ sub }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('6h');
    tokens.push(await token.sign(Buffer.from(SECRET)));
  }
  service = run('src/main.js', { DATABASE_URL: database.url, SECRETS_KEY, PORT: '0', RATE_LIMIT_PER_MINUTE: '0' });
  [, url = ''] = await service.prints(/Ready on (http:[\w./:-]+)/);
});

afterAll(async () => {
  service.process.kill('SIGTERM');
  expect(await service.ends()).toBe(0);
  expect(service.output()).not.toMatch(/unhandled|uncaught/i);
  await database.drop();
});

/** @returns the status and the body; a connection that the server ends without an answer is status 0. */
async function ask(
  path: string,
  headers: Record<string, string>,
  agent: Agent,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}/`, { path, headers, agent }, (response) => {
      text(response).then((body) => {
        resolve({ status: response.statusCode ?? 0, body });
      }, reject);
    });
    request.on('error', reject);
  });
}

/** What each message was asked with: two different requests must not share one. */
const askedFor = new Map<string, string>();

function check(answer: Answer, asked: Meaning | undefined): void {
  const key = KEYS[String(answer.app_id)];
  const message = messageOf(answer);
  if (key === undefined || answer.signature !== hmac(message, key)) throw new Error(`a wrong signature: ${message}`);
  const { app_id, client_id, conversion_id, sorted_member_ids = '', action } = answer;
  if (app_id === 'jwt' && !['alice', 'bob', 'a', '1', '小'].includes(String(client_id))) {
    throw new Error(`no token is of ${String(client_id)}`);
  }
  if (client_id === 'banned') throw new Error('a banned client got a signature');
  // Opening a conversation without members signs the login message: the one exception, in which nothing differs here.
  const fields = JSON.stringify([app_id, client_id, conversion_id, sorted_member_ids, action]);
  if (asked !== undefined) {
    const named = ['login', 'conversion', 'query'].includes(asked.action) ? undefined : asked.action;
    const meant = JSON.stringify([asked.ids[0], asked.ids[1], asked.ids[2], asked.members, named]);
    if (meant !== fields) throw new Error(`asked ${meant}, answered ${fields}`);
  }
  const { timestamp, nonce } = answer;
  // Which of the two comes first is part of the message: "query" signs the nonce before the timestamp.
  const signed = message
    .replace(`:${timestamp}:${nonce}`, ':timestamp:nonce')
    .replace(`:${nonce}:${timestamp}`, ':nonce:timestamp');
  const known = askedFor.get(signed);
  if (known !== undefined && known !== fields) throw new Error(`${known} and ${fields}: ${signed}`);
  if (askedFor.size < 200_000) askedFor.set(signed, fields);
}

async function megabytes(): Promise<number> {
  const status = await readFile(`/proc/${String(service.process.pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

it(
  'no request of any form is answered 5xx, and every signature is right, unambiguous and allowed',
  async () => {
    const counts: Record<string, number> = {};
    let left = REQUESTS;
    const client = async (): Promise<void> => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (left > 0) {
        left--;
        const asked = oneIn(MUTATED) ? undefined : meaning();
        const { status, body } =
          asked === undefined ? await rawRequest(url, mutated()) : await ask(pathOf(asked), authorization(), agent);
        counts[status] = (counts[status] ?? 0) + 1;
        if (status >= 500) throw new Error(`${status} ${body}`);
        if (status === 200 && body.startsWith('{"app_id"')) check(JSON.parse(body) as Answer, asked);
        const isRefusal = status >= 400;
        if (isRefusal && !body.includes('"code":"')) throw new Error(`${status} is no problem document: ${body}`);
      }
      agent.destroy();
    };
    await Promise.all(times(CLIENTS, client));
    const memory = await megabytes();
    process.stdout.write(`${JSON.stringify(counts)}, ${memory.toFixed(0)} MB\n`);
    expect(counts[200]).toBeGreaterThan(REQUESTS / 20);
    expect(memory).toBeLessThan(MAX_MEGABYTES);
  },
  4 * HOURS,
);

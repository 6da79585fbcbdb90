import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { decide, type Operation } from '../../src/conversations/decision.js';
import { FactsReader } from '../../src/conversations/facts-reader.js';
import { connectService, serviceOptions } from '../../src/database/data-source.js';
import { LookUps } from '../../src/database/look-ups.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';

const CROWD = 100_000;

let database: TestDatabase;
let dataSource: DataSource;
let lookUps: LookUps;
let reader: FactsReader;

beforeAll(async () => {
  database = await makeDatabase('migrated');
  await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('shop', 'Shop', 'none')`);
  await database.query(`
    INSERT INTO conversations (app_id, conversation_id, member_limit) VALUES
      ('shop', 'group', 500), ('shop', 'large', ${CROWD}), ('shop', 'shrinking', 1000)`);
  await database.query(`
    INSERT INTO conversation_members (app_id, conversation_id, client_id, role)
    VALUES ('shop', 'group', 'ann', 'owner'), ('shop', 'group', 'bob', 'manager'), ('shop', 'group', 'cid', 'member')`);
  await database.query(`
    INSERT INTO conversation_members (app_id, conversation_id, client_id)
    SELECT 'shop', 'large', 'member-' || n FROM generate_series(1, ${CROWD}) AS n
    UNION ALL SELECT 'shop', 'shrinking', 'member-' || n FROM generate_series(1, 10) AS n`);
  await database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('shop', 'eve'), ('shop', 'bob')`);
  dataSource = await connectService(serviceOptions(database.url, 10));
  lookUps = new LookUps(dataSource);
  await lookUps.onModuleInit();
  reader = new FactsReader(lookUps);
});

afterEach(() => {
  vi.restoreAllMocks();
});

afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

const invite = (clientId: string, conversationId: string, members: readonly string[]): Operation => ({
  action: 'invite',
  appId: 'shop',
  clientId,
  conversationId,
  members,
});
const login = (clientId: string): Operation => ({ ...invite(clientId, '', []), action: 'login' });

describe('the facts of an operation', () => {
  it('hold the rank and the ban of each member id, in the order of the list, repeats included', async () => {
    const facts = await reader.read(invite('ann', 'group', ['bob', 'cid', 'cid', 'dan', 'eve']), 'required');
    expect(facts.client).toEqual({ banned: false, rank: 3 });
    expect(facts.members).toEqual([
      { banned: true, rank: 2 },
      { banned: false, rank: 1 },
      { banned: false, rank: 1 },
      { banned: false, rank: 0 },
      { banned: true, rank: 0 },
    ]);
    expect(facts.conversation).toMatchObject({
      joinRule: 'invited',
      inviteRule: 'member',
      kickRule: 'manager',
      memberLimit: 500,
      memberCount: 3,
    });
  });

  it('leave the conversation out where no rules apply', async () => {
    const facts = await reader.read(invite('ann', 'group', ['bob']), 'off');
    expect(facts).toEqual({
      conversation: null,
      client: { banned: false, rank: 0 },
      members: [{ banned: true, rank: 0 }],
      tokensBefore: null,
    });
  });

  it('of a conversation with a high limit have count, limit and roles from one snapshot', async () => {
    const rows = vi.spyOn(lookUps, 'rows').mockImplementation(async (statement, ...rest) => {
      if (statement.name === 'facts-and-count') {
        await database.query(`UPDATE conversations SET member_limit = 4 WHERE conversation_id = 'shrinking'`);
      }
      return LookUps.prototype.rows.call(lookUps, statement, ...rest);
    });
    const facts = await reader.read(invite('member-1', 'shrinking', ['new']), 'required');
    expect(rows).toHaveBeenCalledTimes(2);
    expect(facts.conversation).toMatchObject({ memberLimit: 4, memberCount: 4 });
  });
});

describe('requests that arrive together', () => {
  it('share one query, and each gets its own facts', async () => {
    const query = vi.spyOn(Client.prototype, 'query');
    const clients = ['ann', 'eve', 'bob', 'dan'];
    const facts = await Promise.all(clients.map((client) => reader.read(login(client), 'required')));
    expect(facts.map(({ client }) => client.banned)).toEqual([false, true, true, false]);
    expect(query).toHaveBeenCalledTimes(1);
  });

  it('do not fail because of an id that PostgreSQL cannot take, except the one with it', async () => {
    const clients = ['ann', 'bad\0', 'eve', 'dan', 'bob'];
    const outcomes = await Promise.allSettled(clients.map((client) => reader.read(login(client), 'off')));
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
  });

  it('with 32 lists of 500 members take four queries', async () => {
    const query = vi.spyOn(Client.prototype, 'query');
    const facts = await Promise.all(
      Array.from({ length: 32 }, (_, request) => {
        const members = Array.from({ length: 500 }, (_, n) => (n === request ? 'eve' : `guest-${request}-${n}`));
        return reader.read(invite('ann', 'group', members), 'required');
      }),
    );
    facts.forEach(({ members, client }, request) => {
      expect(client.rank).toBe(3);
      expect(members.map(({ banned }) => banned).indexOf(true)).toBe(request);
      expect(members).toHaveLength(500);
    });
    expect(query).toHaveBeenCalledTimes(4);
  });
});

describe('a conversation with 100,000 members and as high a limit', () => {
  it('takes one more member when the limit is raised by one, and none before', async () => {
    const operation = invite('member-1', 'large', ['new']);
    const decision = async (): Promise<string> =>
      decide(operation, 'required', await reader.read(operation, 'required'));
    expect(await decision()).toBe('conversation_full');
    await database.query(`UPDATE conversations SET member_limit = ${CROWD + 1} WHERE conversation_id = 'large'`);
    expect(await decision()).toBe('allowed');
  });

  it('does not delay other requests that arrive together', async () => {
    const order: string[] = [];
    const note = async (name: string, operation: Operation): Promise<void> => {
      await reader.read(operation, 'required');
      order.push(name);
    };
    const counts = Array.from({ length: 4 }, () => note('count', invite('member-1', 'large', ['new'])));
    const others = Array.from({ length: 20 }, () => note('login', login('ann')));
    await Promise.all(others);
    await Promise.all([...counts, ...Array.from({ length: 5 }, () => note('login', login('ann')))]);
    expect(order.slice(0, 20)).toEqual(Array(20).fill('login'));
    expect(order.slice(20).filter((name) => name === 'login')).toHaveLength(5);
    expect(order.at(-1)).toBe('count');
  });
});

it('a plan made while the tables are empty finds each row by its primary key', async () => {
  const fresh = await makeDatabase('migrated');
  await fresh.query('VACUUM ANALYZE');
  const source = await connectService(serviceOptions(fresh.url, 1));
  const onFresh = new LookUps(source);
  await onFresh.onModuleInit();
  // PostgreSQL keeps the plan of a prepared statement from its sixth execution on.
  for (let i = 0; i < 7; i++) {
    await new FactsReader(onFresh).read(invite('ann', 'group', ['bob']), 'required');
  }
  const plan = await source.query<object[]>("EXPLAIN EXECUTE facts ('shop', 'group', 'ann:bob', 't')");
  expect(JSON.stringify(plan)).toContain('conversation_members_pkey');
  expect(JSON.stringify(plan)).not.toContain('Seq Scan');
  await source.destroy();
  await fresh.drop();
});

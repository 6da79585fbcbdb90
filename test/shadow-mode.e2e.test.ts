import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { ACTIONS } from '../src/signature/actions.js';
import { CASES } from './conversations/who-may-do-what.js';
import { startService, type TestService } from './support/service.js';

/** What the rules refuse, each in a conversation of its own. */
const REFUSED = CASES.filter(({ expected }) => expected !== 'allowed').map((line, index) => ({
  ...line,
  conversationId: `row-${index}`,
}));

let service: TestService;
let metricsUrl: string;

beforeAll(async () => {
  service = await startService({ METRICS_PORT: '0' });
  [, metricsUrl = ''] = /Metrics on (\S+)/.exec(service.logged.join('')) ?? [];
  for (const membership of ['where-registered', 'required']) {
    await service.registerApp(membership, 'a-master-key', { membership, membership_mode: 'shadow' });
  }
  for (const { membership, conversationId, rule, roles } of REFUSED) {
    if (rule === null) continue;
    const row = { app_id: membership, conversation_id: conversationId, ...rule };
    const places = Object.keys(row).map((_, index) => `$${index + 1}`);
    await service.database.query(
      `INSERT INTO conversations (${Object.keys(row).join()}) VALUES (${places.join()})`,
      Object.values(row),
    );
    for (const [id, role] of Object.entries(roles)) {
      const member = [membership, conversationId, id, role];
      await service.database.query('INSERT INTO conversation_members VALUES ($1, $2, $3, $4)', member);
    }
  }
});

afterAll(() => service.close());

function ask(path: string): Promise<Response> {
  return fetch(`${service.url}/signature/${path}`);
}

async function codeOf(response: Response): Promise<string | undefined> {
  return ((await response.json()) as Partial<ProblemDetails>).code;
}

/** The series of the metric, by their labels. */
async function counts(): Promise<Record<string, number>> {
  const text = await (await fetch(metricsUrl)).text();
  const series = text.matchAll(/^im_signature_shadow_refusals_total\{app="(.*)",action="(.*)",code="(.*)"\} (\d+)$/gm);
  return Object.fromEntries(
    Array.from(series, ([, app, action, code, count]) => [[app, action, code].join(' '), Number(count)]),
  );
}

describe('in shadow mode', () => {
  it('everything that the rules refuse is signed, and counted under the code of its refusal', async () => {
    const expected: Record<string, number> = {};
    for (const { membership, action, members, conversationId, name, expected: code } of REFUSED) {
      const conversation = ACTIONS[action].conversation ? `/${conversationId}` : '';
      const response = await ask(`${action}/${membership}/me${conversation}${members === '' ? '' : `/${members}`}`);
      expect(response.status, name).toBe(200);
      expect(await response.json(), name).toHaveProperty('signature');
      const series = `${membership} ${action} ${code}`;
      expected[series] = (expected[series] ?? 0) + 1;
    }
    expect(await counts()).toEqual(expected);
  });

  it('a line of the log says what would be refused, and by which request', async () => {
    const before = service.logged.length;
    await ask('invite/required/carol/unregistered/dave:eve');
    const line = service.logged.slice(before).find((text) => text.includes('Signed in shadow mode'));
    expect(line).toMatch(
      /: The conversation is not registered .* status=200 action=invite app_id=required client_id=carol conversation_id=unregistered members=dave:eve .*shadow_refusal=conversation_unknown/,
    );
  });

  it('bans, and the order of the list, are enforced', async () => {
    await service.database.query(`INSERT INTO client_bans VALUES ('required', 'mallory')`);
    const before = await counts();
    expect(await codeOf(await ask('query/required/mallory/c'))).toBe('client_banned');
    expect(await codeOf(await ask('invite/required/me/c/bob:mallory'))).toBe('member_banned');
    expect(await codeOf(await ask('invite/required/me/c/bob:alice'))).toBe('members_not_sorted');
    expect(await counts()).toEqual(before);
  });

  it('/permissions allows what is signed', async () => {
    const response = await fetch(`${service.url}/permissions/required/me/unregistered?members=bob:mallory`);
    expect(await response.json()).toEqual({
      join: 'allowed',
      invite: 'allowed',
      leave: 'allowed',
      members: [
        { client_id: 'bob', invite: 'allowed', kick: 'allowed' },
        { client_id: 'mallory', invite: 'member_banned', kick: 'allowed' },
      ],
    });
  });

  it('ends within a second of the change, without a restart', async () => {
    const query = 'query/where-registered/nobody/private';
    await service.database.query(`INSERT INTO conversations VALUES ('where-registered', 'private')`);
    expect((await ask(query)).status).toBe(200);
    await service.database.query(`UPDATE apps SET membership_mode = 'enforce' WHERE app_id = 'where-registered'`);
    expect(await codeOf(await ask(query))).toBe('not_permitted');
  });
});

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACTIONS } from '../src/signature/actions.js';
import { startService, type TestService } from './support/service.js';
import { type Answer, hmac, messageOf } from './support/signature.js';

const DEMO_KEY = 'demo-master-key';
const EVERY_PATH = Object.entries(ACTIONS).map(([action, { conversation, members }]) =>
  [action, '1/a', ...(conversation ? ['c'] : []), ...(members === 'none' ? [] : ['b'])].join('/'),
);

let service: TestService;

beforeAll(async () => {
  service = await startService();
});

afterAll(async () => {
  await service.close();
});

/** Asks for a signature and insists on getting one. */
async function ask(path: string): Promise<Answer> {
  const response = await fetch(`${service.url}/signature/${path}`);
  const answer = (await response.json()) as Answer;
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return answer;
}

describe('the documented answers', () => {
  const TIMESTAMP = /^\d{10}\.\d{6}$/;
  const common = {
    timestamp: expect.stringMatching(TIMESTAMP) as string,
    nonce: expect.stringMatching(/^[A-Za-z0-9]{8}$/) as string,
    signature: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
  };

  it.each<[path: string, fields: Answer]>([
    ['login/2/3', { app_id: '2', client_id: '3' }],
    ['conversion/1/2/3:4:5:6', { app_id: '1', client_id: '2', sorted_member_ids: '3:4:5:6' }],
    [
      'invite/1/2/3/4:5:6',
      { app_id: '1', client_id: '2', conversion_id: '3', sorted_member_ids: '4:5:6', action: 'invite' },
    ],
    [
      'kick/1/2/3/4:5:6',
      { app_id: '1', client_id: '2', conversion_id: '3', sorted_member_ids: '4:5:6', action: 'kick' },
    ],
    ['query/1/2/3', { app_id: '1', client_id: '2', conversion_id: '3' }],
    ...['client-block-conversations', 'client-unblock-conversations'].map((action): [string, Answer] => [
      `${action}/1/2/3`,
      { app_id: '1', client_id: '2', conversion_id: '3', action },
    ]),
    ...['conversation-block-clients', 'conversation-unblock-clients'].map((action): [string, Answer] => [
      `${action}/1/2/3/4:5:6`,
      { app_id: '1', client_id: '2', conversion_id: '3', sorted_member_ids: '4:5:6', action },
    ]),
  ])('%s has exactly the documented fields and a signature that recomputes', async (path, fields) => {
    const response = await fetch(`${service.url}/signature/${path}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const answer = (await response.json()) as Answer;
    expect(answer).toEqual({ ...fields, ...common });
    expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_KEY));
  });

  it('carry the time of the answer', async () => {
    const before = Date.now();
    const { timestamp } = await ask('login/1/alice');
    expect(Number(timestamp) * 1000).toBeGreaterThanOrEqual(before);
    expect(Number(timestamp) * 1000).toBeLessThan(Date.now() + 1);
  });

  it('never repeat a nonce', async () => {
    const nonces = new Set<unknown>();
    for (let i = 0; i < 10; i++) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask('login/1/alice')));
      for (const { nonce } of answers) nonces.add(nonce);
    }
    expect(nonces.size).toBe(200);
  });
});

describe('?format=sdk', () => {
  it.each(EVERY_PATH)('of %s answers integer milliseconds as a number, signed over their digits', async (path) => {
    const answer = await ask(`${path}?format=sdk`);
    expect(Number.isInteger(answer.timestamp)).toBe(true);
    expect(Math.abs(Number(answer.timestamp) - Date.now())).toBeLessThan(60_000);
    expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_KEY));
    expect(Object.keys(answer)).toEqual(Object.keys(await ask(path)));
  });

  it("is the same whatever the app's own format", async () => {
    await service.registerApp('in-seconds', 'a-key-in-plain-sight', { timestamp_format: 'seconds' });
    expect((await ask('login/in-seconds/a')).timestamp).toMatch(/^\d{10}$/);
    expect(String((await ask('login/in-seconds/a?format=sdk')).timestamp)).toMatch(/^\d{13}$/);
  });
});

describe("an app's own settings", () => {
  it('decide the form of the timestamp', async () => {
    await service.registerApp('in-milliseconds', 'a-key-in-plain-sight', { timestamp_format: 'milliseconds' });
    const answer = await ask('login/in-milliseconds/a');
    expect(answer.timestamp).toMatch(/^\d{13}$/);
    expect(answer.signature).toBe(hmac(messageOf(answer), 'a-key-in-plain-sight'));
  });

  it('may hold a master key outside ASCII, signed as UTF-8', async () => {
    const key = '主密钥-главный-ключ-🔑';
    await service.registerApp('unicode', key);
    const answer = await ask(`login/unicode/${encodeURIComponent('小明')}`);
    expect(answer.signature).toBe(hmac(messageOf(answer), key));
  });
});

describe('ids in the path', () => {
  it('are percent-decoded once and otherwise taken as given', async () => {
    const id = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
      .filter((text) => /^[^:\p{Cc}\p{Cs}]{1,64}$/u.test(text));
    await fc.assert(
      fc.asyncProperty(id, id, fc.array(id, { maxLength: 3 }), async (client, conversation, list) => {
        // A client resolves "." and ".." in a path before it sends anything, escaped or not.
        fc.pre(![client, conversation].some((text) => text === '.' || text === '..'));
        const members = list.sort().join(':');
        fc.pre(members !== '.' && members !== '..');
        const path = [client, conversation, members].map(encodeURIComponent).join('/');
        const answer = await ask(`invite/1/${path}`);
        expect(answer).toMatchObject({ client_id: client, conversion_id: conversation, sorted_member_ids: members });
        expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_KEY));
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['a%2Fb', 'a/b'],
    ['a%3Fb%23c', 'a?b#c'],
    ['%2525', '%25'],
    ['a+b', 'a+b'],
    ['a;b=c', 'a;b=c'],
    ['%E5%B0%8F%E6%98%8E', '小明'],
    ['%F0%9F%98%80', '😀'],
    ['%20a%20', ' a '],
  ])('%s is the client %j', async (path, client) => {
    expect((await ask(`login/1/${path}`)).client_id).toBe(client);
  });

  it('may separate members with %3A as with a colon', async () => {
    expect((await ask('conversion/1/a/b%3Ac:d')).sorted_member_ids).toBe('b:c:d');
  });
});

describe('the list of members', () => {
  it.each(['invite/1/a/c/', 'invite/1/a/c', 'conversion/1/a/', 'conversion/1/a'])('may be empty: %s', async (path) => {
    const answer = await ask(path);
    expect(answer.sorted_member_ids).toBe('');
    expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_KEY));
  });

  it('may name an id twice, and it stays twice', async () => {
    expect((await ask('invite/1/a/c/4:4:5')).sorted_member_ids).toBe('4:4:5');
  });

  it('may hold 500 ids of 64 ASCII characters', async () => {
    const members = Array.from({ length: 500 }, (_, i) => String(i).padStart(64, 'm')).sort();
    const answer = await ask(`invite/1/${'a'.repeat(64)}/${'c'.repeat(64)}/${members.join(':')}`);
    expect(answer.sorted_member_ids).toBe(members.join(':'));
    expect((await ask(`invite/1/a/c/${members.join('%3A')}`)).sorted_member_ids).toBe(members.join(':'));
  });
});

describe('HTTP', () => {
  it.each(EVERY_PATH)('a slash at the end changes nothing: %s', async (path) => {
    expect(Object.keys(await ask(`${path}/`))).toEqual(Object.keys(await ask(path)));
  });

  it('/ says what this is, and where to read on', async () => {
    const response = await fetch(service.url);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const text = await response.text();
    for (const path of text.match(/\/[a-z.]+/g) ?? []) {
      expect((await fetch(`${service.url}${path.replace(/\.$/, '')}`)).status, path).toBe(200);
    }
    expect(text).toMatch(/\/docs; .*\/openapi\.json/);
  });

  it('HEAD answers the headers of GET and no body', async () => {
    const response = await fetch(`${service.url}/signature/login/1/a`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.text()).toBe('');
  });

  it('a page of an allowed origin may call, and read a refusal', async () => {
    for (const path of ['login/1/a', 'login/unknown/a', 'nothing']) {
      const response = await fetch(`${service.url}/signature/${path}`, {
        headers: { origin: 'https://chat.example.com' },
      });
      expect(response.headers.get('access-control-allow-origin')).toBe('https://chat.example.com');
    }
  });

  it('a page of an allowed origin may send a token', async () => {
    const response = await fetch(`${service.url}/signature/login/1/a`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://chat.example.com',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization',
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-headers')).toBe('Authorization, X-Request-Id');
    expect(response.headers.get('access-control-allow-methods')).toBe('GET, HEAD');
  });

  it('a page of another origin may not', async () => {
    const response = await fetch(`${service.url}/signature/login/1/a`, { headers: { origin: 'https://evil.example' } });
    expect(response.headers.get('access-control-allow-origin')).toBe(null);
  });
});

it('disabling an app takes effect without a restart', async () => {
  await service.registerApp('changing', 'a-key-in-plain-sight');
  await ask('login/changing/a');
  await service.database.query(`UPDATE apps SET disabled = true WHERE app_id = 'changing'`);
  expect((await fetch(`${service.url}/signature/login/changing/a`)).status).toBe(403);
});

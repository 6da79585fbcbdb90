import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../src/checker/diagnose.js';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { sendBytes } from './support/raw-request.js';
import { startService, type TestService } from './support/service.js';
import { type Answer, hmac, messageOf } from './support/signature.js';
import { EXAMPLES } from './support/spec.js';

const KEY = 'a-master-key-in-plain-sight';

let service: TestService;

beforeAll(async () => {
  service = await startService({ RATE_LIMIT_PER_MINUTE: '1000' });
  await service.registerApp('shop', KEY);
  await service.registerApp('test-shop', 'the-key-of-the-test-shop');
});

afterAll(async () => {
  await service.close();
});

type Answered = Diagnosis & { explanations: string[] };

function post(body: unknown, url = service.url): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(`${url}/signature/diagnose`, { method: 'POST', body: text });
}

async function diagnose(body: unknown): Promise<Answered> {
  const response = await post(body);
  expect(response.status).toBe(200);
  return (await response.json()) as Answered;
}

async function refusal(body: unknown, url?: string): Promise<ProblemDetails> {
  return (await (await post(body, url)).json()) as ProblemDetails;
}

/** A signature of the service, as an SDK sends it on. */
async function signed(path: string): Promise<Answer & { members?: string[] }> {
  const answer = (await (await fetch(`${service.url}/signature/${path}?format=sdk`)).json()) as Answer;
  return answer;
}

const BODY = {
  action: 'login',
  app_id: 'shop',
  client_id: 'alice',
  timestamp: String(Date.now()),
  nonce: 'cdXsciFc',
  signature: '00'.repeat(20),
};

describe('POST /signature/diagnose', () => {
  it('takes a body that begins with a byte order mark', async () => {
    const { status } = await post(`\ufeff${JSON.stringify(BODY)}`);
    expect(status).toBe(200);
  });

  it.each([
    ['login', 'login/shop/alice', {}],
    ['conversion', 'conversion/shop/alice/alice:bob', { members: ['bob', 'alice'] }],
    ['invite', 'invite/shop/alice/c1/10:9', { conversion_id: 'c1', members: ['9', '10'] }],
    ['query', 'query/shop/alice/c1', { conversion_id: 'c1' }],
  ])('calls what the service signed for %s right', async (action, path, more) => {
    const { timestamp, nonce, signature } = await signed(path);
    const body = { action, app_id: 'shop', client_id: 'alice', ...more, timestamp, nonce, signature };
    const answer = await diagnose(body);
    expect(answer).toMatchObject({ verdict: 'right', mistakes: [], time: 'in time' });
    expect(answer.explanations).toEqual([expect.stringMatching(/^This signature is right/)]);
  });

  it('names the mistake in its first sentence, and shows what has to be signed', async () => {
    const message = `shop:alice:c1:bob:${BODY.timestamp}:cdXsciFc`;
    const invite = { ...BODY, action: 'invite', conversion_id: 'c1', members: ['bob'] };
    const answer = await diagnose({ ...invite, signature: hmac(`${message}:add`, KEY) });
    expect(answer).toMatchObject({ verdict: 'mistaken', mistakes: ['action_word'], message: `${message}:invite` });
    expect(answer.explanations[0]).toMatch(/"invite", not "add"/);
  });

  it('knows the keys of the other apps, and earlier versions of its own', async () => {
    const { signature } = {
      signature: hmac(`test-shop:alice::${BODY.timestamp}:cdXsciFc`, 'the-key-of-the-test-shop'),
    };
    expect((await diagnose({ ...BODY, signature })).mistakes).toEqual(['another_app']);
    expect(
      (
        await diagnose({
          ...BODY,
          signature: hmac(`shop:alice::${BODY.timestamp}:cdXsciFc`, 'an-app-key'),
          app_key: 'an-app-key',
        })
      ).mistakes,
    ).toEqual(['app_key']);
  });

  it('never tells the right signature or a key, to the caller or to the log', async () => {
    const answer = await diagnose(BODY);
    expect(answer.verdict).toBe('unexplained');
    const { timestamp } = BODY;
    const right = hmac(messageOf({ ...BODY, timestamp }), KEY);
    expect(right).toMatch(/^[0-9a-f]{40}$/);
    for (const text of [JSON.stringify(answer), ...service.logged]) {
      expect(text).not.toContain(right);
      expect(text).not.toContain(KEY);
    }
  });

  it.each<[string, unknown, string, RegExp]>([
    ['no JSON', 'x', 'invalid_body', /not JSON/],
    ['no object', '[]', 'invalid_body', /not a JSON object/],
    ['an unknown action', { ...BODY, action: 'add' }, 'invalid_body', /"action" must be one of login, /],
    ['a missing field', { ...BODY, nonce: undefined }, 'invalid_body', /"nonce" must be a string/],
    ['a field of another type', { ...BODY, members: 'a:b' }, 'invalid_body', /"members" must be an array of strings/],
    ['an unknown field', { ...BODY, sign: 'x' }, 'invalid_body', /"sign" is no field/],
    ['a field that is no own one', `{"__proto__":null}`, 'invalid_body', /"__proto__" is no field/],
    ['a constructor', { ...BODY, constructor: null }, 'invalid_body', /"constructor" is no field/],
    ['no app id', { ...BODY, app_id: '' }, 'invalid_app_id', /is empty/],
    [
      'no conversation where there has to be one',
      { ...BODY, action: 'query' },
      'invalid_conversion_id',
      /"query" takes one/,
    ],
    ['an app that is not there', { ...BODY, app_id: 'nowhere' }, 'app_not_found', /No app/],
    ['too much', { ...BODY, nonce: 'x'.repeat(65_536) }, 'body_too_large', /65536 bytes/],
  ])('refuses %s', async (_, body, code, detail) => {
    const problem = await refusal(body);
    expect(problem.code).toBe(code);
    expect(problem.detail).toMatch(detail);
  });

  it('answers no other method', async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await fetch(`${service.url}/signature/diagnose`, { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
    }
  });

  it('takes a body in pieces, and the next request on its connection', async () => {
    const body = JSON.stringify(BODY);
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${service.url}/signature/diagnose`, { method: 'POST' }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
      request.write(body.slice(0, 10));
      setImmediate(() => request.end(body.slice(10)));
    });
    expect(status).toBe(200);
  });
});

it.each([
  ['that does not come', ['Content-Length: 9', '', '{']],
  ['whose chunks are malformed', ['Transfer-Encoding: chunked', '', 'x']],
])('a body %s is waited for no longer than REQUEST_TIMEOUT_MS', async (_, lines) => {
  const hasty = await startService({ REQUEST_TIMEOUT_MS: '100' });
  try {
    const said = await sendBytes(
      hasty.url,
      ['POST /signature/diagnose HTTP/1.1', 'Host: x', ...lines, ''].join('\r\n'),
    );
    expect(said).toMatch(/^HTTP\/1\.1 408 /);
    expect(said).toContain('"code":"request_timeout"');
  } finally {
    await hasty.close();
    delete process.env.REQUEST_TIMEOUT_MS;
  }
});

it('each address may ask as often a minute as a client may', async () => {
  const limited = await startService({ RATE_LIMIT_PER_MINUTE: '2' });
  try {
    const codes = [];
    for (let i = 0; i < 3; i++) codes.push((await refusal({ ...BODY, app_id: '1' }, limited.url)).code);
    expect(codes).toEqual([undefined, undefined, 'rate_limited']);
  } finally {
    await limited.close();
  }
});

it('is not there in production, unless CHECKER is on', async () => {
  for (const [env, code] of [
    [{ NODE_ENV: 'production' }, 'route_not_found'],
    [{ NODE_ENV: 'production', CHECKER: 'on' }, undefined],
    [{ CHECKER: 'off' }, 'route_not_found'],
  ] as const) {
    const other = await startService(env);
    try {
      expect((await refusal({ ...BODY, app_id: '1' }, other.url)).code).toBe(code);
      const page = await fetch(`${other.url}/checker`);
      expect([page.status, await page.text()]).toEqual(
        code === undefined ? [200, expect.stringContaining('<!doctype html>')] : [404, expect.stringContaining(code)],
      );
    } finally {
      await other.close();
      delete process.env.CHECKER;
      process.env.NODE_ENV = 'test';
    }
  }
});

it('each mistake has its words, and the examples of the specification know no other', async () => {
  const { MISTAKE_TEXTS } = await import('../src/checker/texts.js');
  const named = new Set(EXAMPLES.flatMap(({ mistakes }) => mistakes ?? []));
  expect(Object.keys(MISTAKE_TEXTS)).toEqual(expect.arrayContaining([...named]));
});

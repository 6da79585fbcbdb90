import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProblemCode, type ProblemDetails, PROBLEMS } from '../src/problems/problem-error.js';
import { masterKeyPurpose, seal } from '../src/apps/sealing.js';
import { rawRequest } from './support/raw-request.js';
import { startService, type TestService } from './support/service.js';

const SECRET = 'the-plain-master-key-of-the-tests';

let service: TestService;

beforeAll(async () => {
  service = await startService();
  await service.registerApp('disabled', SECRET, { disabled: true });
  await service.registerApp('small', SECRET, { max_members: 2 });
  await service.registerApp('jwt', SECRET, { identity: 'jwt' });
  await service.registerApp('ruled', SECRET, { membership: 'required' });
  await service.database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('ruled', 'banned')`);
  await service.database.query(
    `INSERT INTO conversations (app_id, conversation_id, join_rule, member_limit)
     VALUES ('ruled', 'c', 'invited', NULL), ('ruled', 'full', 'anyone', 1)`,
  );
  await service.database.query(`INSERT INTO conversation_members VALUES ('ruled', 'full', 'b')`);
  await service.registerApp('many-jwt', SECRET, { identity: 'jwt', max_members: 1 });
  await service.registerApp('many-ruled', SECRET, { membership: 'required', max_members: 1 });
  await service.database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('many-ruled', 'banned')`);
  await service.registerApp('keyless', SECRET);
  await service.database.query(`DELETE FROM app_master_keys WHERE app_id = 'keyless'`);
  await service.registerApp('copied', SECRET);
  await service.database.query(
    `UPDATE app_master_keys SET sealed_key = (SELECT sealed_key FROM app_master_keys WHERE app_id = '1') WHERE app_id = 'copied'`,
  );
  await service.registerApp('foreign', SECRET);
  await service.database.query(`UPDATE app_master_keys SET sealed_key = $1 WHERE app_id = 'foreign'`, [
    seal(SECRET, masterKeyPurpose('foreign', 1), new Map([['other', randomBytes(32)]])),
  ]);
});

afterAll(async () => {
  try {
    const login = await fetch(`${service.url}/signature/login/1/a`);
    expect(login.status, 'the service is up after everything it was sent').toBe(200);
    expect(service.logged.join('\n')).not.toContain(SECRET);
  } finally {
    await service.close();
  }
});

function expectProblem(status: number, type: string | null, body: string, code: ProblemCode): ProblemDetails {
  const problem = JSON.parse(body) as ProblemDetails;
  expect(problem.code, body).toBe(code);
  expect(status).toBe(PROBLEMS[code].status);
  expect(type).toMatch(/^application\/problem\+json/);
  expect(Object.keys(problem).sort()).toEqual(
    ['type', 'title', 'status', 'detail', 'instance', 'code', 'request_id'].sort(),
  );
  expect(problem).toMatchObject({ type: `urn:im-signature:problem:${code}`, title: PROBLEMS[code].title, status });
  expect(problem.request_id).toMatch(/^[0-9a-f-]{36}$/);
  expect(body).not.toMatch(/\.[jt]s:\d|node_modules|SELECT/);
  return problem;
}

async function refused(path: string, code: ProblemCode, init?: RequestInit): Promise<ProblemDetails> {
  const response = await fetch(`${service.url}${path}`, init);
  expect(response.headers.get('cache-control')).toBe('no-store');
  const problem = expectProblem(response.status, response.headers.get('content-type'), await response.text(), code);
  expect(response.headers.get('x-request-id')).toBe(problem.request_id);
  return problem;
}

async function refusedRaw(target: Uint8Array | string, code: ProblemCode, options = {}): Promise<ProblemDetails> {
  const { status, head, body } = await rawRequest(service.url, target, options);
  const problem = expectProblem(status, /^content-type: (.*)$/im.exec(head)?.[1] ?? null, body, code);
  expect(/^x-request-id: (.*)$/im.exec(head)?.[1]).toBe(problem.request_id);
  return problem;
}

/** One of each kind of route. */
const PATHS = ['/', '/signature/login/1/a', '/signature/kick/1/a/c', '/openapi.json', '/docs', '/docs/x.css'];
const LONG = 'a'.repeat(65);

describe('a request is refused with its code', () => {
  it.each<[string, ProblemCode]>([
    // ids, in every place they can stand
    ['/signature/login//a', 'invalid_app_id'],
    [`/signature/login/${LONG}/a`, 'invalid_app_id'],
    ['/signature/login/a%3Ab/a', 'invalid_app_id'],
    ['/signature/login/a:b/a', 'invalid_app_id'],
    ['/signature/login/%00/a', 'invalid_app_id'],
    ['/signature/login/1/', 'invalid_client_id'],
    ['/signature/login/1', 'invalid_client_id'],
    [`/signature/login/1/${LONG}`, 'invalid_client_id'],
    ['/signature/login/1/a:b', 'invalid_client_id'],
    ['/signature/login/1/a%0Ab', 'invalid_client_id'],
    ['/signature/login/1/%C2%85', 'invalid_client_id'],
    ['/signature/conversion/1//b', 'invalid_client_id'],
    ['/signature/invite/1/a//b', 'invalid_conversion_id'],
    [`/signature/invite/1/a/${LONG}/b`, 'invalid_conversion_id'],
    ['/signature/kick/1/a/c%3Ad/b', 'invalid_conversion_id'],
    ['/signature/conversion/1/a/b:', 'invalid_member_id'],
    ['/signature/conversion/1/a/:b', 'invalid_member_id'],
    ['/signature/conversion/1/a/b::c', 'invalid_member_id'],
    [`/signature/invite/1/a/c/${LONG}`, 'invalid_member_id'],
    ['/signature/kick/1/a/c/b%7F', 'invalid_member_id'],
    // member lists
    ['/signature/conversion/1/a/c:b', 'members_not_sorted'],
    ['/signature/kick/1/a/c/', 'members_required'],
    ['/signature/kick/1/a/c', 'members_required'],
    ['/signature/conversion/small/a/b:c:d', 'too_many_members'],
    // bytes that are not UTF-8, lone surrogates among them
    ['/signature/login/1/%ff', 'malformed_url'],
    ['/signature/login/1/%zz', 'malformed_url'],
    ['/signature/login/1/%', 'malformed_url'],
    ['/signature/login/1/%ED%A0%80', 'malformed_url'],
    ['/signature/login/%ff/1', 'malformed_url'],
    // apps, bans and rules
    ['/signature/login/unknown/a', 'app_not_found'],
    ['/signature/login/disabled/a', 'app_disabled'],
    ['/signature/login/jwt/a', 'identity_required'],
    ['/signature/invite/ruled/a/c/b', 'not_permitted'],
    ['/signature/kick/ruled/a/c/b', 'not_permitted'],
    ['/signature/invite/ruled/a/full', 'conversation_full'],
    ['/signature/invite/ruled/a/unknown', 'conversation_unknown'],
    ['/signature/login/ruled/banned', 'client_banned'],
    ['/signature/conversion/ruled/a/banned', 'member_banned'],
    // formats
    ['/signature/login/1/a?format=', 'invalid_format'],
    ['/signature/login/1/a?format=SDK', 'invalid_format'],
    ['/signature/login/1/a?format=sdk&format=sdk', 'invalid_format'],
    // addresses
    ['/signature', 'route_not_found'],
    ['/signature/login', 'route_not_found'],
    ['/signature/login/1/a/b', 'route_not_found'],
    ['/signature/Login/1/a', 'route_not_found'],
    ['/signature/create/1/a', 'route_not_found'],
    ['/signature/constructor/1/a', 'route_not_found'],
    ['/signature/conversations/1/a', 'route_not_found'],
  ])('%s: %s', async (path, code) => {
    await refused(path, code);
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'QUERY', 'M-SEARCH'])(
    '%s on a path that is there, and the answer says what the path takes',
    async (method) => {
      for (const path of PATHS) {
        const response = await fetch(`${service.url}${path}`, { method });
        const type = response.headers.get('content-type');
        expectProblem(response.status, type, await response.text(), 'method_not_allowed');
        expect(response.headers.get('allow')).toBe('GET, HEAD, OPTIONS');
      }
    },
  );

  it('POST on a path that is not there', async () => {
    await refused('/signature/login/1/a/b', 'route_not_found', { method: 'POST' });
  });

  it.each(['application/json', 'text/plain', 'garbage'])(
    'a body of type %s, which nothing here takes',
    async (type) => {
      const init = { method: 'POST', headers: { 'content-type': type }, body: '{bad' };
      await refused('/signature/login/1/a', 'method_not_allowed', init);
      await refused('/nothing', 'route_not_found', init);
    },
  );

  it.each(['/docs/../x', '/docs/%2e%2e/%2e%2e/package.json', '/docs/a%00b', '/malformed'])(
    '%s, which is no page: route_not_found',
    async (path) => {
      await refusedRaw(path, 'route_not_found');
    },
  );

  it('a method that HTTP does not know', async () => {
    await refusedRaw('/signature/login/1/a', 'malformed_url', { method: 'SIGN' });
  });

  it.each([[[]], [['Host: a', 'Host: a']], [['Host: a', 'host: b']]])('Host lines %j: malformed_url', async (host) => {
    await refusedRaw('/signature/login/1/a', 'malformed_url', { host });
  });

  it('not a request of HTTP/1.0 without a Host, which needs none', async () => {
    expect((await rawRequest(service.url, '/signature/login/1/a', { host: [], version: '1.0' })).status).toBe(200);
  });

  it('an expectation that cannot be met', async () => {
    await refusedRaw('/signature/login/1/a', 'expectation_failed', { headers: ['Expect: banana'] });
  });

  it('not the expectation of HTTP, 100-continue', async () => {
    const { head, body } = await rawRequest(service.url, '/signature/login/1/a', { headers: ['Expect: 100-continue'] });
    expect(head).toBe('HTTP/1.1 100 Continue');
    expect(body).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('CONNECT, as this is no proxy', async () => {
    const { status, head, body } = await rawRequest(service.url, 'example.com:443', { method: 'CONNECT' });
    expectProblem(status, /^content-type: (.*)$/im.exec(head)?.[1] ?? null, body, 'method_not_allowed');
    expect(head).toMatch(/^allow: GET, HEAD, OPTIONS$/im);
  });

  it('501 members, where the app allows 500', async () => {
    const members = Array.from({ length: 501 }, (_, i) => String(i).padStart(3, '0')).join(':');
    const { detail } = await refused(`/signature/invite/1/a/c/${members}`, 'too_many_members');
    expect(detail).toBe('There are 501 member ids; the app allows 500.');
  });

  it('a URL of more than 64 KiB, however much more', async () => {
    for (const length of [65_537, 100_000, 200_000, 1_000_000]) {
      await refusedRaw(`/signature/conversion/1/a/${'b:'.repeat(length / 2)}`, 'uri_too_long');
    }
    await refusedRaw(`/signature/login/1/a?x=${'b'.repeat(65_536)}`, 'uri_too_long');
  });

  it('headers without end', async () => {
    await refusedRaw('/signature/login/1/a', 'uri_too_long', { headers: [`X: ${'b'.repeat(300_000)}`] });
    // With Host and Connection.
    for (const count of [999, 50_000, 500_000]) {
      await refusedRaw('/signature/login/1/a', 'uri_too_long', { headers: Array<string>(count).fill('a:b') });
    }
    const most = { headers: Array<string>(998).fill('a:b') };
    expect(await rawRequest(service.url, '/signature/login/1/a', most)).toMatchObject({ status: 200 });
  });

  it('a path that does not decode, readable for a page in a browser', async () => {
    const response = await fetch(`${service.url}/signature/login/1/%ff`, {
      headers: { origin: 'https://chat.example.com' },
    });
    expect(response.headers.get('access-control-allow-origin')).toBe('https://chat.example.com');
  });

  it('raw bytes that are not percent-encoded, UTF-8 or not', async () => {
    await refusedRaw(Buffer.from('/signature/login/1/小明'), 'malformed_url');
    await refusedRaw(Buffer.from('/signature/login/1/\xff', 'latin1'), 'malformed_url');
  });
});

describe('the detail of a refusal', () => {
  it('has the right order of unsorted members', async () => {
    const { detail } = await refused('/signature/invite/1/a/c/9:10:%E5%B0%8F:9', 'members_not_sorted');
    expect(detail).toBe('The member ids must ascend by UTF-16 code unit: 10:9:9:小');
  });

  it('says which rule an id breaks, and which member', async () => {
    expect((await refused('/signature/login/1/a:b', 'invalid_client_id')).detail).toMatch(
      /^The client id contains ":"/,
    );
    expect((await refused('/signature/conversion/1/a/b::c', 'invalid_member_id')).detail).toBe('Member id 2 is empty.');
  });

  it.each(['/signature/conversation/1/a/b', '/signature/conversation', '/signature/conversation?x'])(
    'names the protocol\'s spelling where "conversation" was asked for: %s',
    async (path) => {
      expect((await refused(path, 'route_not_found')).detail).toContain('/signature/conversion/');
    },
  );

  it('leaves out the query, where tokens have been seen', async () => {
    const { instance } = await refused('/signature/login/unknown/a?token=hush', 'app_not_found');
    expect(instance).toBe('/signature/login/unknown/a');
  });
});

describe('where two things are wrong, the order of checks decides', () => {
  it.each<[string, ProblemCode, string]>([
    ['/signature/login/unknown/a:b', 'invalid_client_id', 'shape before app'],
    ['/signature/login/unknown/a?format=x', 'invalid_format', 'shape before app'],
    ['/signature/conversion/unknown/a/c:b', 'members_not_sorted', 'order of members before app'],
    ['/signature/kick/unknown/a/c', 'members_required', 'number of members before app'],
    ['/signature/conversion/disabled/a/b:c', 'app_disabled', 'app before the rest'],
    ['/signature/conversion/many-jwt/a/b:c', 'identity_required', 'identity before length of list'],
    ['/signature/conversion/many-ruled/banned/b:c', 'too_many_members', 'length of list before bans'],
    ['/signature/invite/ruled/banned/unknown/b', 'client_banned', 'bans before conversation rules'],
    ['/signature/invite/ruled/a/unknown/banned', 'member_banned', 'bans before conversation rules'],
  ])('%s: %s (%s)', async (path, code) => {
    await refused(path, code);
  });
});

describe('what the service cannot do is 503 unavailable, explained in the log and not to the client', () => {
  it.each([
    ['keyless', 'The app has no master key'],
    ['copied', 'Master key 1 of app copied: cannot decrypt with key'],
    ['foreign', 'sealed with key "other", this environment has only "default"'],
  ])('an app whose key cannot sign: %s', async (app, reason) => {
    const response = await fetch(`${service.url}/signature/login/${app}/a`);
    expect(response.headers.get('retry-after')).toBe('1');
    const problem = expectProblem(
      response.status,
      response.headers.get('content-type'),
      await response.text(),
      'unavailable',
    );
    const line = service.logged.find((entry) => entry.includes(problem.request_id));
    expect(line).toContain(reason);
  });

  it('a database that refuses to answer, and it recovers', async () => {
    await service.database.query('ALTER TABLE apps RENAME TO apps_away');
    try {
      const problem = await refused('/signature/login/1/a', 'unavailable');
      expect(problem.detail).toBe('The service cannot answer right now.');
      expect(service.logged.find((entry) => entry.includes(problem.request_id))).toContain(
        'relation "apps" does not exist',
      );
    } finally {
      await service.database.query('ALTER TABLE apps_away RENAME TO apps');
    }
    expect((await fetch(`${service.url}/signature/login/1/a`)).status).toBe(200);
  });
});

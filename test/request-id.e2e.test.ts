import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { rawRequest } from './support/raw-request.js';
import { startService, type TestService } from './support/service.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

let service: TestService;

beforeAll(async () => {
  service = await startService();
  await service.registerApp('keyless', 'a-key-in-plain-sight');
  await service.database.query(`DELETE FROM app_master_keys WHERE app_id = 'keyless'`);
});

afterAll(async () => {
  await service.close();
});

/** The id that comes back for a request with this `X-Request-Id`. */
async function idFor(given: string, path = '/signature/login/1/a'): Promise<string | null> {
  return (await fetch(`${service.url}${path}`, { headers: { 'x-request-id': given } })).headers.get('x-request-id');
}

describe('X-Request-Id', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/signature/login/1/a'],
    ['HEAD', '/signature/login/1/a'],
    ['GET', '/signature/login/1/a:b'],
    ['GET', '/signature/login/1/%ff'],
    ['GET', '/nothing'],
    ['POST', '/signature/login/1/a'],
    ['OPTIONS', '/signature/login/1/a'],
    ['GET', '/openapi.json'],
    ['GET', '/docs'],
    ['GET', '/docs/swagger-ui.css'],
  ])('is a fresh UUID on the answer to %s %s', async (method, path) => {
    const ids = [0, 1].map(async () => (await fetch(`${service.url}${path}`, { method })).headers.get('x-request-id'));
    const [first, second] = await Promise.all(ids);
    expect(first).toMatch(UUID);
    expect(second).toMatch(UUID);
    expect(first).not.toBe(second);
  });

  it("is on the answer to what is no HTTP request at all, as the problem's request_id", async () => {
    const { head, body } = await rawRequest(service.url, '/', { method: 'SIGN' });
    const { request_id } = JSON.parse(body) as ProblemDetails;
    expect(request_id).toMatch(UUID);
    expect(/^x-request-id: (.*)$/im.exec(head)?.[1]).toBe(request_id);
  });

  it.each([
    'e4d14788-d9d5-4335-9ac0-5f81f2a27664',
    '4BF92F3577B34DA6A3CE929D0E0E4736',
    'a',
    'web-1.eu_2',
    'x'.repeat(64),
  ])('is taken over from the request: %s', async (id) => {
    expect(await idFor(id)).toBe(id);
    expect(await idFor(id, '/nothing')).toBe(id);
  });

  it.each(['', ' ', 'x'.repeat(65), 'a b', 'a,b', 'a\tERROR', '"a"', 'é', '<script>'])(
    'is not taken over when it is not well-formed: %j',
    async (id) => {
      expect(await idFor(id)).toMatch(UUID);
    },
  );

  it('is not taken over when it is given twice', async () => {
    const { head } = await rawRequest(service.url, '/', { headers: ['X-Request-Id: a', 'X-Request-Id: b'] });
    expect(/^x-request-id: (.*)$/im.exec(head)?.[1]).toMatch(UUID);
  });

  it('is in problem details and in the log', async () => {
    const response = await fetch(`${service.url}/signature/login/keyless/a`, { headers: { 'x-request-id': 'mine-1' } });
    expect(((await response.json()) as ProblemDetails).request_id).toBe('mine-1');
    expect(service.logged.filter((line) => line.includes('mine-1'))).toEqual([
      expect.stringContaining('The app has no master key. request_id=mine-1 status=503 code=unavailable'),
    ]);
  });

  it('can be sent and read by a page of an allowed origin, as can what else an answer says in headers', async () => {
    const origin = 'https://chat.example.com';
    const preflight = await fetch(`${service.url}/signature/login/1/a`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-request-id' },
    });
    expect(preflight.headers.get('access-control-allow-headers')).toMatch(/\bX-Request-Id\b/);
    const answer = await fetch(`${service.url}/signature/login/1/a`, { headers: { origin } });
    expect(answer.headers.get('access-control-expose-headers')?.split(', ').sort()).toEqual([
      'Allow',
      'RateLimit',
      'RateLimit-Policy',
      'Retry-After',
      'Signature-Key-Version',
      'WWW-Authenticate',
      'X-Request-Id',
    ]);
  });
});

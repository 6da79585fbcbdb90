import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { LoadShedding } from '../src/http/load-shedding.js';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { sendBytes } from './support/raw-request.js';
import { startService, type TestService } from './support/service.js';

const LOGIN = '/signature/login/1/a';

let service: TestService;

beforeAll(async () => {
  service = await startService({ RATE_LIMIT_PER_MINUTE: '0' });
});

afterAll(async () => {
  await service.close();
});

it('more than can be answered is 503 at once, readable for a page, and everything else is answered', async () => {
  const isTooMuch = vi.spyOn(LoadShedding.prototype, 'isTooMuch').mockReturnValue(true);
  try {
    const response = await fetch(service.url + LOGIN, { headers: { origin: 'https://chat.example.com' } });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(response.headers.get('access-control-allow-origin')).toBe('https://chat.example.com');
    expect((await response.json()) as ProblemDetails).toMatchObject({ code: 'unavailable' });
    for (const path of ['/', '/docs', '/openapi.json']) expect((await fetch(service.url + path)).status).toBe(200);
    expect((await fetch(`${service.url}/nothing`)).status).toBe(404);
  } finally {
    isTooMuch.mockRestore();
  }
  expect((await fetch(service.url + LOGIN)).status).toBe(200);
});

it('what is under way is counted until it is answered, or refused, or nobody waits for it any more', async () => {
  const { state } = service.server;
  const { answered } = state;
  await service.database.query('BEGIN');
  await service.database.query('LOCK TABLE client_bans IN ACCESS EXCLUSIVE MODE');
  const answers = [fetch(service.url + LOGIN), fetch(`${service.url}/signature/login/1/a:b`)];
  await answers[1];
  await vi.waitUntil(() => state.underWay === 1);
  const leaving = get(service.url + LOGIN);
  leaving.on('error', () => undefined);
  await vi.waitUntil(() => state.underWay === 2);
  leaving.destroy();
  const pipelined = sendBytes(service.url, `GET ${LOGIN} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(3), 'garbage\r\n\r\n');
  // Of those, the first; the others wait for it.
  await vi.waitUntil(() => state.underWay === 3);
  await service.database.query('ROLLBACK');
  await Promise.all([...answers, pipelined]);
  await vi.waitUntil(() => state.underWay === 0);
  expect(state.answered - answered).toBe(6);
  const [response] = (await once(get(service.url + LOGIN), 'response')) as [IncomingMessage];
  response.resume();
  expect(state.underWay).toBe(0);
});

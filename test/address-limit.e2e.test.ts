import { afterEach, describe, expect, it } from 'vitest';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { rawRequest } from './support/raw-request.js';
import { startService, type TestService } from './support/service.js';

const LOGIN = '/signature/login/1/a';

let service: TestService;

afterEach(() => service.close());

const statusFor = async (forwarded: string, path = LOGIN) =>
  (await fetch(service.url + path, { headers: { 'x-forwarded-for': forwarded } })).status;

describe('RATE_LIMIT_PER_ADDRESS_PER_MINUTE', () => {
  it('refuses an address its further requests, whomever they name, and says when to come back', async () => {
    service = await startService({ RATE_LIMIT_PER_ADDRESS_PER_MINUTE: '3' });
    for (const path of [LOGIN, '/signature/login/unknown/a', '/signature/kick/1/a//']) await fetch(service.url + path);
    const response = await fetch(service.url + LOGIN, { headers: { origin: 'https://chat.example.com' } });
    expect(response.status).toBe(429);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(response.headers.get('ratelimit-policy')).toBe('"address";q=3;w=60');
    expect(response.headers.get('ratelimit')).toMatch(/^"address";r=0;t=\d+$/);
    expect(response.headers.get('access-control-allow-origin')).toBe('https://chat.example.com');
    expect((await response.json()) as ProblemDetails).toMatchObject({ code: 'rate_limited', status: 429 });
    expect((await fetch(`${service.url}/docs`)).status, 'a page costs nothing').toBe(200);
    expect(await statusFor('203.0.113.1'), 'an address that the client makes up counts for nothing').toBe(429);
  });

  it.each(['/%73ignature/login/1/a', 'http://test/signature/login/1/a'])(
    'counts the same path written otherwise: %s',
    async (target) => {
      service = await startService({ RATE_LIMIT_PER_ADDRESS_PER_MINUTE: '1' });
      expect((await rawRequest(service.url, target)).status).toBe(200);
      expect((await rawRequest(service.url, target)).status).toBe(429);
    },
  );

  it('does not count a preflight, which a page cannot help', async () => {
    service = await startService({ RATE_LIMIT_PER_ADDRESS_PER_MINUTE: '1' });
    for (let i = 0; i < 3; i++) expect((await fetch(service.url + LOGIN, { method: 'OPTIONS' })).status).toBe(204);
    expect((await fetch(service.url + LOGIN)).status).toBe(200);
  });

  it('goes by what a trusted proxy says, and each network of IPv6 is one address', async () => {
    service = await startService({ RATE_LIMIT_PER_ADDRESS_PER_MINUTE: '1', TRUST_PROXY: '127.0.0.0/8,10.0.0.0/8' });
    expect(await statusFor('203.0.113.1')).toBe(200);
    expect(await statusFor('203.0.113.1')).toBe(429);
    expect(await statusFor('203.0.113.2, 10.1.2.3')).toBe(200);
    expect(await statusFor('198.51.100.9, 203.0.113.2'), 'of what no trusted proxy says, nothing counts').toBe(429);
    expect(await statusFor('2001:db8::1')).toBe(200);
    expect(await statusFor('2001:db8::ffff:1')).toBe(429);
  });
});

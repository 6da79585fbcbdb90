import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hmacSecretPurpose, seal } from '../src/apps/sealing.js';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { secretKey, tokenFor } from './support/issuer.js';
import { startService, type TestService } from './support/service.js';

const SECRET = 'a secret of the issuer, 32 bytes long';
const LIMIT = 5;

let service: TestService;
const tokens = new Map<string, string>();

beforeAll(async () => {
  service = await startService({ RATE_LIMIT_PER_MINUTE: String(LIMIT) });
  for (const app of ['shop', 'chat']) {
    await service.registerApp(app, 'the-master-key-of-the-limit', { identity: 'jwt' });
    await service.database.query(
      `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ($1, '{HS256}', $2)`,
      [app, seal(SECRET, hmacSecretPurpose(app), service.sealingKeys)],
    );
  }
  for (const client of ['alice', 'bob', 'carol', 'dave']) {
    tokens.set(client, await tokenFor(secretKey(SECRET), client));
  }
});

afterAll(async () => {
  await service.close();
});

/** Asks as a client that has a token, or with that of another. */
function ask(path: string, client: string): Promise<Response> {
  return fetch(`${service.url}/signature/${path}`, {
    headers: { authorization: `Bearer ${tokens.get(client) ?? ''}` },
  });
}

async function codes(requests: number, path: string, client: string): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < requests; i++) {
    const response = await ask(path, client);
    answers.push(response.ok ? 'signed' : ((await response.json()) as ProblemDetails).code);
  }
  return answers;
}

const times = (count: number, code: string): string[] => Array<string>(count).fill(code);

describe('RATE_LIMIT_PER_MINUTE', () => {
  it('limits a client of an app over all actions, and says when it may ask again', async () => {
    expect(await codes(LIMIT - 1, 'login/shop/alice', 'alice')).toEqual(times(LIMIT - 1, 'signed'));
    expect(await codes(1, 'invite/shop/alice/c1/bob', 'alice')).toEqual(['signed']);

    const refused = await ask('kick/shop/alice/c1/bob', 'alice');
    expect(refused.status).toBe(429);
    const problem = (await refused.json()) as ProblemDetails;
    const seconds = Number(refused.headers.get('retry-after'));
    expect(problem).toMatchObject({
      code: 'rate_limited',
      detail: `This client may make 5 requests a minute. Try again in ${seconds} s.`,
    });
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(61);
    expect(refused.headers.get('ratelimit-policy')).toBe('"client";q=5;w=60');
    expect(refused.headers.get('ratelimit')).toBe(`"client";r=0;t=${seconds}`);
  });

  it('leaves the other clients, and the same client of another app, their own share', async () => {
    expect(await codes(LIMIT + 1, 'login/shop/bob', 'bob')).toEqual([...times(LIMIT, 'signed'), 'rate_limited']);
    expect(await codes(1, 'login/chat/bob', 'bob')).toEqual(['signed']);
    expect(await codes(1, 'login/shop/carol', 'carol')).toEqual(['signed']);
  });

  it('counts nothing against a client that others ask for', async () => {
    expect(await codes(2 * LIMIT, 'login/chat/dave', 'alice')).toEqual(times(2 * LIMIT, 'identity_mismatch'));
    expect(await codes(2 * LIMIT, 'login/chat/dave', 'nobody')).toEqual(times(2 * LIMIT, 'identity_invalid'));
    expect(await codes(LIMIT, 'login/chat/dave', 'dave')).toEqual(times(LIMIT, 'signed'));
  });

  it('limits nobody in an app with identity none, where anyone could use up the share of another', async () => {
    expect(await codes(2 * LIMIT, 'login/1/alice', 'alice')).toEqual(times(2 * LIMIT, 'signed'));
  });
});

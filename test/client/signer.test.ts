import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { createSigner, type SignatureError, type SignerOptions } from '../../clients/js/src/index.js';
import {
  cutOff,
  cutOffInBody,
  neverEnd,
  refused,
  SIGNATURE,
  SIGNED,
  stall,
  startToldServer,
  type Told,
} from '../support/told-server.js';
import { freePort } from '../support/free-port.js';
import { refusalOf } from './refusal-of.js';

const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl';
const EXPIRED = refused(401, 'identity_expired');

/** Asks once for a signature to log in, of a server that answers as told. */
async function start(told: Told[], options: Partial<SignerOptions> = {}) {
  const { url, requests } = await startToldServer(...told);
  const sign = createSigner({ baseUrl: url, appId: 'shop', ...options });
  return { login: () => sign({ action: 'login', clientId: 'alice' }), requests };
}

describe('the address of the service', () => {
  it.each(['', '/', '//', '/sign', '/sign/'])('may end with "%s"', async (end) => {
    const { url, requests } = await startToldServer(SIGNED);
    await createSigner({ baseUrl: url + end, appId: 'shop' })({ action: 'login', clientId: 'alice' });
    expect(requests[0]?.url).toBe(`${end.replace(/\/+$/, '')}/signature/login/shop/alice?format=sdk`);
  });
});

describe('the token', () => {
  it('is asked for at each signature, and sent as a bearer', async () => {
    const getToken = vi.fn(() => `token-${getToken.mock.calls.length}`);
    const { login, requests } = await start([SIGNED], { getToken });
    await login();
    await login();
    expect(requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer token-1', 'Bearer token-2']);
    expect(getToken.mock.calls).toEqual([[false], [false]]);
  });

  it('may come later', async () => {
    const { login, requests } = await start([SIGNED], { getToken: () => Promise.resolve(TOKEN) });
    await login();
    expect(requests[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
  });

  it('is left out for an app without identities', async () => {
    const { login, requests } = await start([SIGNED]);
    expect(await login()).toEqual(SIGNATURE);
    expect(requests[0]?.headers).not.toHaveProperty('authorization');
  });

  it.each([
    ['has expired', EXPIRED],
    ['was ended', refused(401, 'identity_revoked')],
  ])('is asked for once more when it %s', async (_, refusal) => {
    const getToken = vi.fn((expired: boolean) => (expired ? 'fresh' : 'stale'));
    const { login, requests } = await start([refusal, SIGNED], { getToken, retries: 0 });
    expect(await login()).toEqual(SIGNATURE);
    expect(getToken.mock.calls).toEqual([[false], [true]]);
    expect(requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer stale', 'Bearer fresh']);
  });

  it('is asked for only once more', async () => {
    const getToken = vi.fn(() => TOKEN);
    const { login, requests } = await start([EXPIRED], { getToken });
    expect(await refusalOf(login())).toMatchObject({ code: 'identity_expired', status: 401 });
    expect(getToken).toHaveBeenCalledTimes(2);
    expect(requests).toHaveLength(2);
  });

  it('is not asked for again when the network fails', async () => {
    const getToken = vi.fn(() => TOKEN);
    const { login } = await start([cutOff, SIGNED], { getToken });
    await login();
    expect(getToken).toHaveBeenCalledTimes(1);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('logged out');
      },
      'logged out',
    ],
    ['rejects', () => Promise.reject(new Error('logged out')), 'logged out'],
    ['gives nothing', () => undefined as unknown as string, 'printable ASCII'],
    ['gives an empty text', () => '', 'printable ASCII'],
    ['gives a text that fits into no header', () => `${TOKEN}\n`, 'printable ASCII'],
    ['gives a text that is not ASCII', () => `${TOKEN}é`, 'printable ASCII'],
  ])('fails, and nothing is sent, if getToken %s', async (_, getToken, cause) => {
    const { login, requests } = await start([SIGNED], { getToken });
    const refusal = await refusalOf(login());
    expect(refusal).toMatchObject({ code: 'token_failed', detail: expect.stringContaining(cause) as string });
    expect(inspect(refusal)).not.toContain(TOKEN);
    expect(requests).toEqual([]);
  });

  it('is in no error, whatever others say', async () => {
    const echo = await start([refused(403, 'forbidden', {}, `Authorization: Bearer ${TOKEN}`)], {
      getToken: () => TOKEN,
    });
    const broken = await start([SIGNED], {
      getToken: () => TOKEN,
      retries: 0,
      fetch: (_, { headers }) => Promise.reject(new Error('no', { cause: new Error(JSON.stringify(headers)) })),
    });
    for (const refusal of [await refusalOf(echo.login()), await refusalOf(broken.login())]) {
      expect(refusal.detail).toContain('Bearer …');
      expect(inspect(refusal, { depth: Infinity }) + String(refusal.stack)).not.toContain(TOKEN);
    }
  });
});

describe('asking again', () => {
  it.each([
    ['a connection that is cut off', cutOff],
    ['an answer that is cut off', cutOffInBody],
    ['503', refused(503, 'unavailable')],
    ['503 of a proxy', { status: 503, body: '<h1>Service Unavailable</h1>' }],
    ['429', refused(429, 'rate_limited')],
  ])('follows %s', async (_, failure) => {
    const { login, requests } = await start([failure, SIGNED]);
    expect(await login()).toEqual(SIGNATURE);
    expect(requests).toHaveLength(2);
  });

  it.each([400, 401, 403, 404, 405, 408, 414, 500, 502, 504])('does not follow %i', async (status) => {
    const { login, requests } = await start([refused(status, 'some_code'), SIGNED]);
    expect(await refusalOf(login())).toMatchObject({ status, code: 'some_code', request_id: 'e4d14788' });
    expect(requests).toHaveLength(1);
  });

  it.each(['', 'soon', '0', '-1', 'Thu, 01 Jan 1970 00:00:00 GMT'])(
    'takes a Retry-After of "%s" for none',
    async (time) => {
      const { login, requests } = await start([refused(503, 'unavailable', { 'retry-after': time }), SIGNED]);
      expect(await login()).toEqual(SIGNATURE);
      const [first, second] = requests.map(({ at }) => at);
      expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(249);
    },
  );

  it('ends after the retries that are allowed, with the last failure', async () => {
    const { login, requests } = await start([cutOff, refused(503, 'unavailable')], { retries: 1 });
    expect(await refusalOf(login())).toMatchObject({ code: 'unavailable', status: 503 });
    expect(requests).toHaveLength(2);
  });

  it('does not happen without retries', async () => {
    const { login, requests } = await start([refused(503, 'unavailable')], { retries: 0 });
    expect(await refusalOf(login())).toMatchObject({ code: 'unavailable' });
    expect(requests).toHaveLength(1);
  });

  it('waits as long as Retry-After says', async () => {
    const { login, requests } = await start([refused(429, 'rate_limited', { 'retry-after': '1' }), SIGNED]);
    expect(await login()).toEqual(SIGNATURE);
    const [first, second] = requests.map(({ at }) => at);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(1000);
  });

  it.each([
    ['in seconds', '3600'],
    ['as a date', new Date(Date.now() + 3_600_000).toUTCString()],
  ])('is not waited for beyond the time that is left: Retry-After %s', async (_, time) => {
    const { login, requests } = await start([refused(429, 'rate_limited', { 'retry-after': time })]);
    expect(await refusalOf(login())).toMatchObject({ code: 'rate_limited', status: 429 });
    expect(requests).toHaveLength(1);
  });
});

describe('the limit of time', () => {
  it.each([
    ['the service does not answer', neverEnd],
    ['the answer does not end', stall],
  ])('ends the request if %s', async (_, silence) => {
    let closed: Promise<unknown> | undefined;
    const told = (answer: ServerResponse): void => {
      closed = once(answer, 'close');
      silence(answer);
    };
    const { login, requests } = await start([told], { timeoutMs: 300 });
    const refusal = await refusalOf(login());
    expect(refusal.message).toBe('log in as alice: timeout: There was no answer within 300 ms.');
    await closed;
    expect(requests).toHaveLength(1);
  });

  it('holds for all retries together', async () => {
    const { login } = await start([cutOff], { timeoutMs: 1000, retries: 1000 });
    const began = performance.now();
    await refusalOf(login());
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('holds for getToken, and nothing is sent afterwards', async () => {
    let give: (token: string) => void = () => undefined;
    const getToken = () => new Promise<string>((resolve) => (give = resolve));
    const send = vi.fn(() => Promise.reject(new Error('sent')));
    const { login } = await start([SIGNED], { timeoutMs: 100, getToken, fetch: send });
    expect(await refusalOf(login())).toMatchObject({ code: 'timeout' });
    give(TOKEN);
    await new Promise(setImmediate);
    expect(send).not.toHaveBeenCalled();
  });

  it.each([0, -1, NaN, Infinity, 2 ** 31])('cannot be %d', (timeoutMs) => {
    expect(() => createSigner({ baseUrl: '', appId: 'shop', timeoutMs })).toThrow(
      'timeoutMs must be from 1 to 2147483647',
    );
  });
});

describe('a refusal', () => {
  it("carries the service's code, detail, status and request id, and names the operation", async () => {
    const { url } = await startToldServer(refused(403, 'not_permitted', {}, 'Only managers may invite.'));
    const sign = createSigner({ baseUrl: url, appId: 'shop' });
    const operation = { action: 'invite', clientId: 'alice', conversationId: 'c1', memberIds: ['bob'] } as const;
    const refusal = await refusalOf(sign(operation));
    expect(Object.fromEntries(Object.entries(refusal))).toEqual({
      name: 'SignatureError',
      operation: 'invite bob to c1',
      code: 'not_permitted',
      detail: 'Only managers may invite.',
      status: 403,
      request_id: 'e4d14788',
    });
    expect(refusal.message).toBe('invite bob to c1: not_permitted: Only managers may invite.');
  });

  it('says what is wrong on the network', async () => {
    const sign = createSigner({ baseUrl: `http://127.0.0.1:${await freePort()}`, appId: 'shop', retries: 0 });
    const refusal = await refusalOf(sign({ action: 'login', clientId: 'alice' }));
    expect(refusal.message).toMatch(/^log in as alice: network_error: fetch failed: connect ECONNREFUSED 127\.0\.0\.1/);
    expect(refusal.status).toBeUndefined();
  });

  it.each([
    ['a page of a proxy', { status: 502, body: '<h1>Bad Gateway</h1>' }],
    ['a page where the signature should be', { status: 200, body: '<h1>Welcome to the hotel</h1>' }],
    ['a timestamp that is a text', { status: 200, body: { ...SIGNATURE, timestamp: '1450166986.392033' } }],
    ['an answer without a nonce', { status: 200, body: { ...SIGNATURE, nonce: undefined } }],
    ['a signature with an error', { status: 500, body: SIGNATURE }],
    ['null', { status: 200, body: null }],
    ['JSON of something else', { status: 403, body: { error: 'forbidden' } }],
  ])('tells an answer that is not the service’s: %s', async (_, told) => {
    const { login } = await start([told]);
    expect(await refusalOf(login())).toMatchObject({ code: 'unexpected_answer', status: told.status });
  });

  it('is told to onRefusal, once, whatever that does', async () => {
    const told: SignatureError[] = [];
    const onRefusal = (error: SignatureError) => {
      told.push(error);
      throw new Error('in the app');
    };
    const { login } = await start([refused(403, 'client_banned'), SIGNED], { onRefusal });
    const refusal = await refusalOf(login());
    expect(refusal.code).toBe('client_banned');
    await login();
    expect(told).toEqual([refusal]);
  });

  it('of an id is told, too', async () => {
    const onRefusal = vi.fn();
    const refusal = await refusalOf(
      createSigner({ baseUrl: '', appId: 'shop', onRefusal })({ action: 'login', clientId: '..' }),
    );
    expect(onRefusal.mock.calls).toEqual([[refusal]]);
  });
});

import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CompactEncrypt, CompactSign, EncryptJWT, exportSPKI, type JWK, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { hmacSecretPurpose, seal } from '../src/apps/sealing.js';
import { type ProblemCode, type ProblemDetails, PROBLEMS } from '../src/problems/problem-error.js';
import {
  answers,
  compact,
  inSeconds,
  type Issuer,
  type IssuerAnswer,
  type KeyPair,
  makeKey,
  redirectTo,
  secretKey,
  startIssuer,
  text,
  tokenFor,
  type TokenKey,
} from './support/issuer.js';
import { rawRequest } from './support/raw-request.js';
import { startService, type TestService } from './support/service.js';
import { type Answer, hmac, messageOf } from './support/signature.js';

const MASTER_KEY = 'the-plain-master-key-of-the-tests';
const SECRET = 'a secret of the issuer and this service';

let service: TestService;
let issuer: Issuer;
/** Publishes keys too, and must never be asked for them. */
let attacker: Issuer;
let key: KeyPair;
let rsa: KeyPair;
let attackersKey: KeyPair;
/** Takes tokens of `key`, published by `issuer`. */
let app: string;

beforeAll(async () => {
  service = await startService();
  [key, rsa, attackersKey] = await Promise.all([
    makeKey('ES256', 'ec'),
    makeKey('RS256', 'rsa'),
    makeKey('ES256', 'ec'),
  ]);
  issuer = await startIssuer(key);
  attacker = await startIssuer(attackersKey);
  app = await makeApp({ algorithms: ['ES256'], jwks_uri: issuer.url });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const sent = new Set<string>();

afterAll(async () => {
  try {
    await expectSigned(app, 'alice', await tokenFor(key, 'alice'));
    const log = service.logged.join('\n');
    expect(sent.size).toBeGreaterThan(100);
    for (const token of sent) expectNothingOf(token, log);
    expect(log).not.toContain(SECRET);
    expect(attacker.requests).toEqual([]);
  } finally {
    await Promise.all([service.close(), issuer.close(), attacker.close()]);
  }
});

interface Identity {
  algorithms: string[];
  jwks_uri?: string;
  jwks?: unknown;
  sealed_hmac_secret?: string;
  issuer?: string;
  audience?: string;
  client_id_claim?: string;
}

/** Registers an app that asks for tokens; without settings, no token can be verified. */
async function makeApp(identity?: Identity, columns: Record<string, boolean> = {}): Promise<string> {
  const appId = `app-${randomUUID()}`;
  await service.registerApp(appId, MASTER_KEY, { identity: 'jwt', ...columns });
  if (identity !== undefined) await insertIdentity(appId, identity);
  return appId;
}

async function insertIdentity(appId: string, { jwks, ...identity }: Identity): Promise<void> {
  const row = { app_id: appId, ...identity, ...(jwks !== undefined && { jwks: JSON.stringify(jwks) }) };
  const places = Object.keys(row).map((_, index) => `$${index + 1}`);
  await service.database.query(
    `INSERT INTO app_identity (${Object.keys(row).join()}) VALUES (${places.join()})`,
    Object.values(row),
  );
}

async function makeHmacApp(secret = SECRET, algorithms = ['HS256']): Promise<string> {
  const appId = await makeApp();
  const sealed_hmac_secret = seal(secret, hmacSecretPurpose(appId), service.sealingKeys);
  await insertIdentity(appId, { algorithms, sealed_hmac_secret });
  return appId;
}

function jwks(...keys: KeyPair[]): { keys: unknown[] } {
  return { keys: keys.map(({ jwk }) => jwk) };
}

function login(appId: string, client: string): string {
  return `/signature/login/${appId}/${encodeURIComponent(client)}`;
}

function expectNothingOf(token: string, text: string): void {
  for (const part of [token, ...token.split('.')]) {
    // Shorter ones occur in any text.
    if (part.length >= 8) expect(text).not.toContain(part);
  }
}

async function ask(path: string, token?: string, init: RequestInit = {}): Promise<Response> {
  if (token !== undefined) sent.add(token);
  return fetch(service.url + path, {
    ...init,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
  });
}

async function expectSigned(appId: string, client: string, token: string): Promise<void> {
  await expectSignedPath(login(appId, client), token, client);
}

async function expectSignedPath(path: string, token: string, client: string): Promise<void> {
  const response = await ask(path, token);
  const body = await response.text();
  expect(response.status, body).toBe(200);
  expectNothingOf(token, body);
  const answer = JSON.parse(body) as Answer;
  expect(answer.client_id).toBe(client);
  expect(answer.signature).toBe(hmac(messageOf(answer), MASTER_KEY));
}

function expectProblem(
  { status, body, head }: { status: number; body: string; head: Headers },
  code: ProblemCode,
): ProblemDetails {
  const problem = JSON.parse(body) as ProblemDetails;
  expect(problem.code, body).toBe(code);
  expect(status).toBe(PROBLEMS[code].status);
  expect(head.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(head.get('cache-control')).toBe('no-store');
  expect(head.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
  expect(head.get('retry-after')).toBe(status === 503 ? '1' : null);
  expect(body).not.toContain('signature"');
  return problem;
}

async function expectRefused(path: string, code: ProblemCode, token?: string): Promise<ProblemDetails> {
  const response = await ask(path, token);
  const body = await response.text();
  if (token !== undefined) expectNothingOf(token, body + JSON.stringify([...response.headers]));
  return expectProblem({ status: response.status, body, head: response.headers }, code);
}

/** Sends these Authorization headers unchanged. */
async function expectRefusedRaw(path: string, code: ProblemCode, ...values: string[]): Promise<void> {
  const headers = values.map((value) => `Authorization: ${value}`);
  for (const value of values) sent.add(value.replace(/^\S* /, ''));
  const { status, head, body } = await rawRequest(service.url, path, { headers });
  const lines = head.split('\r\n').slice(1);
  const pairs = lines.map((line): [string, string] => {
    const [name = '', ...value] = line.split(': ');
    return [name, value.join(': ')];
  });
  for (const value of values) expectNothingOf(value.replace(/^\S* /, ''), head + body);
  expectProblem({ status, body, head: new Headers(pairs) }, code);
}

/** Sets the wall clock of the service to so many seconds from now, and stops it there. */
function laterBy(seconds: number): void {
  vi.setSystemTime(Date.now() + seconds * 1000);
}

/** Milliseconds that the service gives a request. */
const REQUEST_TIMEOUT = 2_000;

/** Stops the clocks and timers of the service; only `elapse` moves them. */
function stopTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
  vi.spyOn(globalThis, 'setTimeout');
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    const timeout = new AbortController();
    setTimeout(() => {
      timeout.abort();
    }, ms);
    return timeout.signal;
  });
}

async function elapse(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** Sends requests while time is stopped, and resolves when all wait for a key: each has then set the timer of its deadline. */
async function sendWaiting<T>(send: readonly (() => Promise<T>)[]): Promise<{ answers: Promise<T[]> }> {
  const timers = vi.mocked(setTimeout).mock.calls;
  const before = timers.length;
  const answers = Promise.all(send.map((request) => request()));
  while (timers.slice(before).filter(([, ms]) => ms === REQUEST_TIMEOUT).length < send.length) {
    await nextTurn();
  }
  return { answers };
}

describe('a client with a token of its own gets its signature', () => {
  it.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    'when the token is signed with %s by a key that the issuer publishes, or that the app lists',
    async (alg) => {
      const pair = await makeKey(alg, 'a');
      const publisher = await startIssuer(pair);
      const remote = await makeApp({ algorithms: [alg], jwks_uri: publisher.url });
      const inline = await makeApp({ algorithms: [alg], jwks: jwks(pair) });
      const token = await tokenFor(pair, 'alice');
      await expectSigned(remote, 'alice', token);
      await expectSigned(inline, 'alice', token);
      await expectRefused(login(remote, 'bob'), 'identity_mismatch', token);
      await publisher.close();
    },
  );

  it.each(['HS256', 'HS384', 'HS512'])('when the token is signed with %s and the shared secret', async (alg) => {
    const secret = `${SECRET} 密钥`;
    const appId = await makeHmacApp(secret, [alg]);
    await expectSigned(appId, 'alice', await tokenFor(secretKey(secret, alg), 'alice'));
    await expectRefused(login(appId, 'alice'), 'identity_invalid', await tokenFor(secretKey(SECRET, alg), 'alice'));
  });

  it.each([
    ['login', 'alice'],
    ['conversion', 'alice/b:c'],
    ['invite', 'alice/conv/b:c'],
    ['invite', 'alice/conv/'],
    ['kick', 'alice/conv/b:c'],
    ['query', 'alice/conv'],
    ['client-block-conversations', 'alice/conv'],
    ['client-unblock-conversations', 'alice/conv'],
    ['conversation-block-clients', 'alice/conv/b:c'],
    ['conversation-unblock-clients', 'alice/conv/b:c'],
  ])('for %s of %s, and nobody else does', async (action, rest) => {
    const path = `/signature/${action}/${app}/${rest}`;
    await expectSignedPath(path, await tokenFor(key, 'alice'), 'alice');
    await expectSignedPath(`${path}?format=sdk`, await tokenFor(key, 'alice'), 'alice');
    await expectRefused(path, 'identity_required');
    await expectRefused(`${path}?format=sdk`, 'identity_required');
    await expectRefused(path, 'identity_mismatch', await tokenFor(key, 'bob'));
    await expectRefused(path, 'identity_invalid', await tokenFor(attackersKey, 'alice'));
  });

  it('whichever of the keys has signed the token, with or without a key id', async () => {
    const keys = [await makeKey('ES256', 'a'), await makeKey('ES256', 'b'), await makeKey('ES256'), rsa];
    const appId = await makeApp({ algorithms: ['ES256', 'RS256'], jwks: jwks(...keys) });
    for (const pair of keys) {
      await expectSigned(appId, 'alice', await tokenFor(pair, 'alice'));
      await expectSigned(appId, 'alice', await tokenFor({ alg: pair.alg, sign: pair.sign }, 'alice'));
    }
    const unnamed = { alg: 'ES256', sign: attackersKey.sign };
    await expectRefused(login(appId, 'alice'), 'identity_invalid', await tokenFor(unnamed, 'alice'));
  });

  it('for a HEAD request as for a GET request', async () => {
    const path = login(app, 'alice');
    expect((await ask(path, undefined, { method: 'HEAD' })).status).toBe(401);
    expect((await ask(path, await tokenFor(key, 'bob'), { method: 'HEAD' })).status).toBe(403);
    expect((await ask(path, await tokenFor(key, 'alice'), { method: 'HEAD' })).status).toBe(200);
  });

  it('without a token, or with any, from an app that is open to everyone', async () => {
    for (const token of [undefined, 'garbage', await tokenFor(attackersKey, 'bob')]) {
      expect((await ask('/signature/login/1/alice', token)).status).toBe(200);
    }
  });
});

describe('the Authorization header', () => {
  it('is required', async () => {
    await expectRefused(login(app, 'alice'), 'identity_required');
  });

  it('takes the scheme in any letter case', async () => {
    const authorization = `bEARER ${await tokenFor(key, 'alice')}`;
    expect((await fetch(service.url + login(app, 'alice'), { headers: { authorization } })).status).toBe(200);
  });

  it('is refused when it holds no bearer token', async () => {
    const path = login(app, 'alice');
    const token = await tokenFor(key, 'alice');
    await expectRefusedRaw(path, 'identity_required', 'Basic YWxpY2U6YS1wYXNzd29yZA==');
    await expectRefusedRaw(path, 'identity_required', `DPoP ${token}`);
    await expectRefusedRaw(path, 'identity_required', '');
    await expectRefusedRaw(path, 'identity_invalid', 'Bearer');
    await expectRefusedRaw(path, 'identity_invalid', `Bearer ${token}, Bearer ${token}`);
    await expectRefusedRaw(path, 'identity_invalid', `Bearer "${token}"`);
  });

  it('is refused when it is sent twice, even with equal values', async () => {
    const path = login(app, 'alice');
    const [token, another] = await Promise.all([tokenFor(key, 'alice'), tokenFor(key, 'bob')]);
    await expectRefusedRaw(path, 'identity_invalid', `Bearer ${token}`, `Bearer ${another}`);
    await expectRefusedRaw(path, 'identity_invalid', `Bearer ${token}`, `Bearer ${token}`);
    await expectRefusedRaw(path, 'identity_invalid', `Bearer ${token}`, 'Basic YWxpY2U6YS1wYXNzd29yZA==');
    await expectRefusedRaw(path, 'identity_invalid', 'Basic YWxpY2U6YS1wYXNzd29yZA==', `Bearer ${token}`);
  });

  it('takes a token of up to 32 KiB', async () => {
    const large = await tokenFor(key, 'alice', { roles: 'x'.repeat(24_200) });
    expect(large.length).toBeGreaterThan(32_000);
    expect(large.length).toBeLessThanOrEqual(32_768);
    await expectSigned(app, 'alice', large);
    for (const size of [24_700, 60_000, 80_000]) {
      const oversized = await tokenFor(key, 'alice', { roles: 'x'.repeat(size) });
      expect(oversized.length).toBeGreaterThan(32_768);
      await expectRefused(login(app, 'alice'), 'identity_invalid', oversized);
    }
  });

  it('cannot be replaced by a token in the URL', async () => {
    const token = await tokenFor(key, 'alice');
    sent.add(token);
    const problem = await expectRefused(`${login(app, 'alice')}?access_token=${token}`, 'identity_required');
    expectNothingOf(token, JSON.stringify(problem));
  });
});

describe('an invalid token is refused:', () => {
  const claims = (): object => ({ sub: 'alice', exp: inSeconds(300) });
  const forEncryption = (): JWK => ({ ...key.jwk, use: 'enc', alg: 'ECDH-ES' });
  const signed = (payload: string | Buffer): Promise<string> =>
    new CompactSign(Buffer.from(payload as string)).setProtectedHeader({ alg: 'ES256', kid: 'ec' }).sign(key.sign);

  it.each<[string, () => string | Promise<string>]>([
    ['garbage', () => 'some-kind-of-garbage'],
    ['garbage in three parts', () => 'some-kind.of-garbage.in-three-parts'],
    ['nothing between the dots', () => '..'],
    [
      'a header that is not JSON',
      async () => `bm90LWpzb24.${(await tokenFor(key, 'alice')).split('.', 3).slice(1).join('.')}`,
    ],
    ['a header that is a list', () => compact([], claims(), 'AAAAAAAAAAAA')],
    ['a header without an algorithm', () => compact({ kid: 'ec' }, claims(), 'AAAAAAAAAAAA')],
    ['a header whose algorithm is no string', () => compact({ alg: ['ES256'], kid: 'ec' }, claims(), 'AAAAAAAAAAAA')],
    ['a header whose key id is no string', () => compact({ alg: 'ES256', kid: { a: 1 } }, claims(), 'AAAAAAAAAAAA')],
    [
      'an algorithm named like a property of every object',
      () => compact({ alg: 'constructor', kid: 'ec' }, claims(), 'AAAAAAAAAAAA'),
    ],
    ['algorithm none', () => compact({ alg: 'none' }, claims())],
    ['algorithm NONE', () => compact({ alg: 'NONE', kid: 'ec' }, claims())],
    ['algorithm none with a signature', () => compact({ alg: 'none', kid: 'ec' }, claims(), 'AAAAAAAAAAAA')],
    ['an empty signature', async () => `${(await tokenFor(key, 'alice')).split('.', 2).join('.')}.`],
    ['a signature of zeros', () => compact({ alg: 'ES256', kid: 'ec' }, claims(), 'A'.repeat(86))],
    ['a truncated signature', async () => (await tokenFor(key, 'alice')).slice(0, -4)],
    [
      'the signature of other claims',
      async () => {
        const [head = '', , signature = ''] = (await tokenFor(key, 'bob')).split('.');
        return [head, compact(claims(), claims()).split('.')[0], signature].join('.');
      },
    ],
    ['a key of another issuer with the same key id', () => tokenFor(attackersKey, 'alice')],
    ['an algorithm that the app does not list', () => tokenFor(rsa, 'alice')],
    ['an HMAC where public keys are expected', () => tokenFor(secretKey(SECRET), 'alice')],
    ['no exp', () => tokenFor(key, 'alice', { exp: undefined })],
    ['exp as a string', () => tokenFor(key, 'alice', { exp: String(inSeconds(300)) })],
    ['exp null', () => tokenFor(key, 'alice', { exp: null })],
    ['nbf as a string', () => tokenFor(key, 'alice', { nbf: 'now' })],
    ['nbf in the future', () => tokenFor(key, 'alice', { nbf: inSeconds(120) })],
    ['claims that are no object', () => signed('["alice"]')],
    ['claims that are no JSON', () => signed('alice')],
    ['claims that are not UTF-8', () => signed(Buffer.from('{"sub":"\xff","exp":4102444800}', 'latin1'))],
    [
      'an unknown critical extension',
      () =>
        new SignJWT({ sub: 'alice', exp: inSeconds(300) })
          .setProtectedHeader({ alg: 'ES256', kid: 'ec', crit: ['urn:strict'], 'urn:strict': true })
          .sign(key.sign, { crit: { 'urn:strict': true } }),
    ],
    [
      'encrypted with the public key',
      () =>
        new EncryptJWT({ sub: 'alice', exp: inSeconds(300) })
          .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: 'ec' })
          .encrypt(forEncryption()),
    ],
    [
      'a valid token inside of an encrypted one',
      async () =>
        new CompactEncrypt(new TextEncoder().encode(await tokenFor(key, 'alice')))
          .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', cty: 'JWT', kid: 'ec' })
          .encrypt(forEncryption()),
    ],
  ])('%s', async (_what, make) => {
    const token = await make();
    const problem = await expectRefused(login(app, 'alice'), 'identity_invalid', token);
    expect(problem.detail).toMatch(/^The token is (not one that this app accepts|malformed)/);
  });
});

describe('algorithm confusion:', () => {
  it('an HMAC made with a public key is refused', async () => {
    const [inline, remote] = await Promise.all([makeApp({ algorithms: ['RS256'], jwks: jwks(rsa) }), startIssuer(rsa)]);
    const published = await makeApp({ algorithms: ['RS256'], jwks_uri: remote.url });
    const pem = await exportSPKI(rsa.publicKey);
    const { n = '', ...rest } = rsa.jwk;
    const secrets = [
      pem,
      pem.trimEnd(),
      `${pem}\n`,
      pem.replace(/-----[^-]+-----|\n/g, ''),
      JSON.stringify(rsa.jwk),
      JSON.stringify({ n, ...rest }),
      JSON.stringify(jwks(rsa)),
      n,
    ];
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      for (const secret of secrets) {
        const token = await tokenFor({ ...secretKey(secret, alg), kid: 'rsa' }, 'alice');
        await expectRefused(login(inline, 'alice'), 'identity_invalid', token);
        await expectRefused(login(published, 'alice'), 'identity_invalid', token);
      }
    }
    await expectSigned(inline, 'alice', await tokenFor(rsa, 'alice'));
    await remote.close();
  });

  it('a token of a listed key is refused when its algorithm is not listed', async () => {
    const appId = await makeApp({ algorithms: ['ES256'], jwks: jwks(key, rsa) });
    await expectRefused(login(appId, 'alice'), 'identity_invalid', await tokenFor(rsa, 'alice'));
    const hmacs = await makeHmacApp();
    const stronger = await tokenFor(secretKey(SECRET, 'HS512'), 'alice');
    await expectRefused(login(hmacs, 'alice'), 'identity_invalid', stronger);
  });

  it('a token is refused when its algorithm is listed and its key is for another one', async () => {
    const appId = await makeApp({ algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'], jwks: jwks(key, rsa) });
    const padded = await makeKey('PS256', 'rsa');
    for (const [signer, header] of [
      [padded, {}],
      [rsa, { kid: 'ec' }],
      [key, { kid: 'rsa' }],
      [await makeKey('EdDSA', 'ec'), {}],
    ] as const) {
      const token = await tokenFor(signer, 'alice', {}, header);
      await expectRefused(login(appId, 'alice'), 'identity_invalid', token);
    }
  });

  it('a token of another app is refused', async () => {
    const [theirs, ours] = await Promise.all([
      makeApp({ algorithms: ['ES256'], jwks: jwks(attackersKey) }),
      makeApp({ algorithms: ['ES256'], jwks: jwks(key) }),
    ]);
    const token = await tokenFor(attackersKey, 'alice');
    await expectSigned(theirs, 'alice', token);
    await expectRefused(login(ours, 'alice'), 'identity_invalid', token);
  });
});

describe('the header of a token', () => {
  it('cannot bring a key of its own: jku, x5u, jwk and x5c are ignored', async () => {
    const x5c = ['MIIB'];
    for (const header of [
      { jku: attacker.url },
      { x5u: attacker.url },
      { jwk: attackersKey.jwk },
      { x5c },
      { jku: attacker.url, x5u: attacker.url, jwk: attackersKey.jwk, x5c, kid: undefined },
    ]) {
      const token = await tokenFor(attackersKey, 'alice', {}, header as object);
      await expectRefused(login(app, 'alice'), 'identity_invalid', token);
      await expectSigned(app, 'alice', await tokenFor(key, 'alice', {}, header as object));
    }
    expect(attacker.requests).toEqual([]);
  });

  it('cannot lead anywhere: a key id with a path or a URL in it is an unknown key id', async () => {
    const before = issuer.requests.length;
    const kids = [
      attacker.url,
      '../../../etc/passwd',
      '/dev/null',
      'file:///dev/null',
      '//evil.example/jwks',
      '?kid=ec#ec',
      "' OR 1=1 --",
      '$(reboot)',
      'ec\u0000',
      '__proto__',
      'EC',
      '',
      'k'.repeat(2_000),
    ];
    const refused = kids.map((kid) => async () => {
      const token = await tokenFor({ ...attackersKey, kid }, 'alice');
      await expectRefused(login(app, 'alice'), 'identity_invalid', token);
    });
    stopTime();
    await elapse(1_000);
    await refused.pop()?.();
    const { answers } = await sendWaiting(refused);
    await elapse(1_000);
    await answers;
    expect(attacker.requests).toEqual([]);
    expect(new Set(issuer.requests)).toEqual(new Set(['/jwks.json']));
    expect(issuer.requests.length - before, 'requests for unknown keys').toBeLessThanOrEqual(2);
  });
});

describe('the times in a token', () => {
  it('may differ from the clock by 30 s and no more', async () => {
    laterBy(0);
    const refused = async (code: ProblemCode, times: object): Promise<void> => {
      await expectRefused(login(app, 'alice'), code, await tokenFor(key, 'alice', { ...times }));
    };
    await expectSigned(app, 'alice', await tokenFor(key, 'alice', { exp: inSeconds(-29) }));
    await expectSigned(app, 'alice', await tokenFor(key, 'alice', { nbf: inSeconds(30) }));
    await refused('identity_expired', { exp: inSeconds(-30) });
    await refused('identity_expired', { exp: inSeconds(-3_600) });
    await refused('identity_expired', { exp: 0 });
    await refused('identity_invalid', { nbf: inSeconds(31) });
  });

  it('are judged anew when the clock was set back, although the token is known', async () => {
    const token = await tokenFor(key, 'alice', { nbf: inSeconds(3_500), exp: inSeconds(3_900) });
    laterBy(3_600);
    await expectSigned(app, 'alice', token);
    laterBy(-3_600);
    await expectRefused(login(app, 'alice'), 'identity_invalid', token);
  });

  it('are not judged before the signature: a forged expired token is invalid, not expired', async () => {
    const token = await tokenFor(attackersKey, 'alice', { exp: inSeconds(-3_600) });
    await expectRefused(login(app, 'alice'), 'identity_invalid', token);
  });
});

describe('issuer and audience', () => {
  it('must be those of the app', async () => {
    const appId = await makeApp({
      algorithms: ['ES256'],
      jwks: jwks(key),
      issuer: 'https://login.example.com',
      audience: 'chat',
    });
    const good = { iss: 'https://login.example.com', aud: 'chat' };
    await expectSigned(appId, 'alice', await tokenFor(key, 'alice', good));
    await expectSigned(appId, 'alice', await tokenFor(key, 'alice', { ...good, aud: ['shop', 'chat'] }));
    for (const wrong of [
      { iss: 'https://login.example.com/' },
      { iss: 'https://LOGIN.example.com' },
      { iss: ['https://login.example.com'] },
      { iss: undefined },
      { iss: null },
      { aud: 'Chat' },
      { aud: 'chat-admin' },
      { aud: ['shop'] },
      { aud: [] },
      { aud: [['chat']] },
      { aud: undefined },
      { aud: null },
      { aud: { chat: true } },
    ]) {
      const token = await tokenFor(key, 'alice', { ...good, ...wrong });
      await expectRefused(login(appId, 'alice'), 'identity_invalid', token);
    }
  });

  it('separate the apps of one issuer, also for a token that another app has just accepted', async () => {
    const [shop, chat] = await Promise.all([
      makeApp({ algorithms: ['ES256'], jwks: jwks(key), audience: 'shop' }),
      makeApp({ algorithms: ['ES256'], jwks: jwks(key), audience: 'chat' }),
    ]);
    const token = await tokenFor(key, 'alice', { aud: 'shop' });
    await expectSigned(shop, 'alice', token);
    await expectRefused(login(chat, 'alice'), 'identity_invalid', token);
  });
});

describe('the claim that holds the client id', () => {
  it.each<[string, unknown]>([
    ['missing', undefined],
    ['null', null],
    ['a boolean', true],
    ['an object', { id: 'alice' }],
    ['a list', ['alice']],
    ['a fraction', 1.5],
    ['too large a number to be exact', 2 ** 53],
  ])('is refused when it is %s', async (_what, value) => {
    const token = await tokenFor(key, value);
    for (const client of ['alice', 'undefined', 'null', 'true', '[object Object]', '1.5', String(2 ** 53)]) {
      await expectRefused(login(app, client), 'identity_invalid', token);
    }
  });

  it('may be a number, taken as decimal text', async () => {
    for (const [number, id] of [
      [42, '42'],
      [0, '0'],
      [-7, '-7'],
      [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    ] as const) {
      await expectSigned(app, id, await tokenFor(key, number));
    }
    await expectRefused(login(app, '042'), 'identity_mismatch', await tokenFor(key, 42));
    await expectRefused(login(app, '42.0'), 'identity_mismatch', await tokenFor(key, 42));
    await expectRefused(login(app, '42'), 'identity_mismatch', await tokenFor(key, '042'));
  });

  it('may be nested, or have dots in its name, and then sub is ignored', async () => {
    const appId = await makeApp({ algorithms: ['ES256'], jwks: jwks(key), client_id_claim: 'user.id' });
    await expectSigned(appId, 'alice', await tokenFor(key, 'bob', { user: { id: 'alice' } }));
    await expectSigned(appId, 'alice', await tokenFor(key, 'bob', { 'user.id': 'alice', user: { id: 'bob' } }));
    for (const user of [undefined, 'alice', ['alice'], { name: 'alice' }, { id: ['alice'] }, null]) {
      const token = await tokenFor(key, 'alice', { user });
      await expectRefused(login(appId, 'alice'), 'identity_invalid', token);
    }
    const bob = await tokenFor(key, 'alice', { user: { id: 'bob' } });
    await expectRefused(login(appId, 'alice'), 'identity_mismatch', bob);
  });
});

describe('a client id is compared exactly:', () => {
  it.each([
    ['case', 'alice', 'Alice'],
    ['a trailing space', 'alice', 'alice '],
    ['a leading space', ' alice', 'alice'],
    ['a plus is no space', 'al+ice', 'al ice'],
    ['a composed and a decomposed letter', 'caf\u00e9', 'cafe\u0301'],
    ['full and half width', 'ａlice', 'alice'],
    ['look-alike letters of two alphabets', 'alice', '\u0430lice'],
    ['an invisible character', 'alice', 'al\u200bice'],
    ['percent signs are decoded once', '%61lice', 'alice'],
    ['a longer one', 'alice2', 'alice'],
    ['the empty id belongs to nobody', 'alice', ''],
  ])('%s', async (_what, client, another) => {
    const token = await tokenFor(key, client);
    await expectSigned(app, client, token);
    await expectRefused(login(app, client), 'identity_mismatch', await tokenFor(key, another));
    if (another !== '') await expectRefused(login(app, another), 'identity_mismatch', token);
  });

  it('whatever the path percent-encodes', async () => {
    await expectSignedPath(`/signature/login/${app}/%61lic%65`, await tokenFor(key, 'alice'), 'alice');
    await expectRefused(`/signature/login/${app}/%62ob`, 'identity_mismatch', await tokenFor(key, 'alice'));
  });
});

describe('a caller without a valid token learns nothing else:', () => {
  it.each(['conversion/APP/banned/bob', 'conversion/APP/alice/banned', 'invite/APP/alice/conv/banned'])(
    '%s: bans are checked after the token',
    async (rest) => {
      await service.database.query(
        `INSERT INTO client_bans (app_id, client_id) VALUES ($1, 'banned') ON CONFLICT DO NOTHING`,
        [app],
      );
      const path = `/signature/${rest.replace('APP', app)}`;
      const client = rest.split('/')[2] ?? '';
      await expectRefused(path, 'identity_required');
      await expectRefused(path, 'identity_invalid', await tokenFor(attackersKey, client));
      await expectRefused(path, 'identity_expired', await tokenFor(key, client, { exp: inSeconds(-60) }));
      await expectRefused(path, 'identity_mismatch', await tokenFor(key, 'bob'));
      await expectRefused(path, client === 'banned' ? 'client_banned' : 'member_banned', await tokenFor(key, client));
    },
  );

  it('the length of a member list is checked after the token', async () => {
    const members = Array.from({ length: 501 }, (_, i) => String(i).padStart(3, '0')).join(':');
    const path = `/signature/invite/${app}/alice/conv/${members}`;
    await expectRefused(path, 'identity_required');
    await expectRefused(path, 'too_many_members', await tokenFor(key, 'alice'));
  });

  it('only the shape of the request and the app are checked before it', async () => {
    const disabled = await makeApp({ algorithms: ['ES256'], jwks: jwks(key) }, { disabled: true });
    for (const token of [undefined, 'some-kind-of-garbage', await tokenFor(key, 'alice')]) {
      await expectRefused(`/signature/login/${app}/a:b`, 'invalid_client_id', token);
      await expectRefused(`/signature/login/${app}`, 'invalid_client_id', token);
      await expectRefused(`/signature/invite/${app}/alice/${'c'.repeat(65)}/b`, 'invalid_conversion_id', token);
      await expectRefused(`/signature/conversion/${app}/alice/9:10`, 'members_not_sorted', token);
      await expectRefused(`/signature/kick/${app}/alice/conv`, 'members_required', token);
      await expectRefused(`${login(app, 'alice')}?format=xml`, 'invalid_format', token);
      await expectRefused(login(disabled, 'alice'), 'app_disabled', token);
      await expectRefused(login('nowhere', 'alice'), 'app_not_found', token);
    }
  });
});

/** For an issuer that has recovered. With stopped timers each attempt lets its interval elapse. */
const RECOVERY = { timeout: 30_000, interval: 100 };

describe('a token that cannot be verified is answered with 503, the reason is logged and not sent:', () => {
  async function expectUnavailable(appId: string, token: string, reason: string): Promise<void> {
    const problem = await expectRefused(login(appId, 'alice'), 'unavailable', token);
    expect(problem.detail).toMatch(
      /^(The app's tokens cannot be verified right now|The answer was not ready in time)\.$/,
    );
    const line = service.logged.find((entry) => entry.includes(problem.request_id));
    expect(line).toContain(reason);
  }

  it('an app without identity settings', async () => {
    const appId = await makeApp();
    await expectUnavailable(appId, await tokenFor(key, 'alice'), `App ${appId} asks for tokens`);
    await expectRefused(login(appId, 'alice'), 'identity_required');
  });

  it('a secret that was sealed for another app', async () => {
    const [from, to] = [await makeHmacApp(), await makeHmacApp()];
    await service.database.query(
      `UPDATE app_identity SET sealed_hmac_secret = (SELECT sealed_hmac_secret FROM app_identity WHERE app_id = $1)
       WHERE app_id = $2`,
      [from, to],
    );
    await expectUnavailable(to, await tokenFor(secretKey(SECRET), 'alice'), 'cannot decrypt with key');
    await expectSigned(from, 'alice', await tokenFor(secretKey(SECRET), 'alice'));
  });

  it.each<[string, () => IssuerAnswer, string]>([
    ['answers 500', () => answers.error500, 'status 500'],
    ['answers HTML', () => answers.html, 'not JSON'],
    ['answers 100 MB', () => answers.hundredMegabytes, 'more than 262144 bytes'],
    ['redirects to another host', () => redirectTo(attacker.url), 'unexpected redirect'],
    ['redirects within its host', () => redirectTo('/v2/keys'), 'unexpected redirect'],
    ['publishes private keys', () => text('{"keys":[{"kty":"EC","d":"AAAA"}]}'), 'must not hold private'],
    ['publishes no keys', () => text('{"keys":[]}'), 'a JWK Set without public keys'],
    ['hangs', () => answers.nothing, 'No proof of identity in time'],
    ['hangs in the middle', () => answers.half, 'No proof of identity in time'],
  ])('an issuer that %s, until it recovers', async (_what, how, reason) => {
    const broken = await startIssuer(key);
    const appId = await makeApp({ algorithms: ['ES256'], jwks_uri: broken.url });
    stopTime();
    broken.answer(how());
    const token = await tokenFor(key, 'alice');
    const asked = broken.asked();
    const refused = expectUnavailable(appId, token, reason);
    await asked;
    if (reason.endsWith('in time')) await elapse(REQUEST_TIMEOUT);
    await refused;
    broken.answer();
    // A fetch that hangs ends after 3 s, and the next one may begin a second later.
    await elapse(1_000);
    await elapse(1_000);
    await vi.waitFor(() => expectSigned(appId, 'alice', token), RECOVERY);
    expect(new Set(broken.requests)).toEqual(new Set(['/jwks.json']));
    await broken.close();
  });

  it('an issuer that is down, until it is back', async () => {
    const absent = await startIssuer(key);
    await absent.die();
    const appId = await makeApp({ algorithms: ['ES256'], jwks_uri: absent.url });
    stopTime();
    const token = await tokenFor(key, 'alice');
    await expectUnavailable(appId, token, 'ECONNREFUSED');
    await absent.comeBack();
    await elapse(1_000);
    await vi.waitFor(() => expectSigned(appId, 'alice', token), RECOVERY);
    await absent.close();
  });

  it('the apps of other issuers are not affected', async () => {
    const broken = await startIssuer(key);
    broken.answer(answers.nothing);
    const appId = await makeApp({ algorithms: ['ES256'], jwks_uri: broken.url });
    const asked = broken.asked();
    const refused = tokenFor(key, 'alice').then((token) => ask(login(appId, 'alice'), token));
    await asked;
    await expectSigned(app, 'alice', await tokenFor(key, 'alice'));
    await broken.close();
    expect((await refused).status).toBe(503);
  });
});

describe('the keys that an issuer publishes', () => {
  it('are fetched once for all requests that wait', async () => {
    const publisher = await startIssuer(key);
    const appId = await makeApp({ algorithms: ['ES256'], jwks_uri: publisher.url });
    const release = publisher.hold();
    const asked = publisher.asked();
    const signed = Array.from({ length: 300 }, async (_, i) => {
      await expectSigned(appId, `client-${i}`, await tokenFor(key, `client-${i}`));
    });
    await asked;
    release();
    await Promise.all(signed);
    expect(publisher.requests).toHaveLength(1);
    await publisher.close();
  });

  it('may take a second to arrive; the app is then read again', async () => {
    const publisher = await startIssuer(key);
    const appId = await makeApp({ algorithms: ['ES256'], jwks_uri: publisher.url });
    const release = publisher.hold();
    const asked = publisher.asked();
    stopTime();
    const { answers } = await sendWaiting([
      async () => expectSigned(appId, 'alice', await tokenFor(key, 'alice')),
      async () => {
        await expectRefused(login(appId, 'alice'), 'identity_mismatch', await tokenFor(key, 'bob'));
      },
    ]);
    await asked;
    await elapse(1_000);
    release();
    await answers;
    await publisher.close();
  });

  it('are fetched at most once a second, however many tokens name unknown keys', async () => {
    const publisher = await startIssuer(key);
    const appId = await makeApp({ algorithms: ['ES256'], jwks_uri: publisher.url });
    stopTime();
    await expectSigned(appId, 'alice', await tokenFor(key, 'alice'));
    const flood = async (): Promise<void> => {
      const { answers } = await sendWaiting(
        Array.from({ length: 50 }, () => async () => {
          const token = await tokenFor({ ...attackersKey, kid: randomUUID() }, 'alice');
          await expectRefused(login(appId, 'alice'), 'identity_invalid', token);
        }),
      );
      await elapse(1_000);
      await answers;
    };
    await flood();
    expect(publisher.requests).toHaveLength(2);
    await flood();
    expect(publisher.requests).toHaveLength(3);
    await publisher.close();
  });

  it('stay in use while the issuer is down, and a token of an unknown key is unavailable, not invalid', async () => {
    const publisher = await startIssuer(key);
    const appId = await makeApp({ algorithms: ['ES256'], jwks_uri: publisher.url });
    stopTime();
    await expectSigned(appId, 'alice', await tokenFor(key, 'alice'));
    await publisher.die();
    for (const hours of [0, 1, 24]) {
      laterBy(hours * 3_600);
      await expectSigned(appId, 'alice', await tokenFor(key, 'alice'));
    }
    const fresh = await makeKey('ES256', 'fresh');
    publisher.publish(key, fresh);
    const token = await tokenFor(fresh, 'alice');
    await expectRefused(login(appId, 'alice'), 'unavailable', token);
    await publisher.comeBack();
    await elapse(1_000);
    await vi.waitFor(() => expectSigned(appId, 'alice', token), RECOVERY);
    await publisher.close();
  });

  it('may rotate without key ids: a token that no known key has signed makes them be fetched again', async () => {
    const [old, fresh] = [await makeKey('ES256'), await makeKey('ES256')];
    const publisher = await startIssuer(old);
    const appId = await makeApp({ algorithms: ['ES256'], jwks_uri: publisher.url });
    stopTime();
    expect((await ask(login(appId, 'alice'), await tokenFor(old, 'alice'))).status).toBe(200);
    publisher.publish(fresh);
    await elapse(1_000);
    expect((await ask(login(appId, 'alice'), await tokenFor(fresh, 'alice'))).status).toBe(200);
    // Another server of the issuer may still publish the old key.
    expect((await ask(login(appId, 'alice'), await tokenFor(old, 'alice', { jti: '2' }))).status).toBe(200);
    expect(publisher.requests).toHaveLength(2);
    laterBy(601);
    const late = await tokenFor(old, 'alice', { jti: '3' });
    expect((await ask(login(appId, 'alice'), late)).status).toBe(401);
    await publisher.close();
  });

  it('rotate under load without a refused request', async () => {
    const fresh = await makeKey('ES256', 'fresh');
    const publisher = await startIssuer(key);
    const appId = await makeApp({ algorithms: ['ES256'], jwks_uri: publisher.url });
    stopTime();
    await expectSigned(appId, 'alice', await tokenFor(key, 'alice'));
    await elapse(1_000);
    const statuses: number[] = [];
    const keys: TokenKey[] = [key];
    let started = 0;
    const caller = async (): Promise<void> => {
      while (started < 400) {
        const i = started++;
        if (i === 100) {
          publisher.publish(key, fresh);
          keys.push(fresh);
        }
        if (i === 300) publisher.publish(fresh);
        const signer = keys[i % keys.length] ?? key;
        const token = await tokenFor(signer, 'alice', { jti: randomUUID() });
        statuses.push((await ask(login(appId, 'alice'), token)).status);
      }
    };
    await Promise.all(Array.from({ length: 16 }, caller));
    expect(statuses).toHaveLength(400);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect(publisher.requests).toHaveLength(2);
    await publisher.close();
  });
});

describe('a verified token is cached', () => {
  it('so that the requests after the first one do not verify it again', async () => {
    const verify = vi.spyOn(crypto.subtle, 'verify');
    const hmacs = await makeHmacApp();
    for (const [appId, signer] of [
      [app, key],
      [hmacs, secretKey(SECRET)],
    ] as const) {
      verify.mockClear();
      const token = await tokenFor(signer, 'alice');
      await expectSigned(appId, 'alice', token);
      expect(verify).toHaveBeenCalledTimes(1);
      await expectSigned(appId, 'alice', token);
      await expectSignedPath(`/signature/conversion/${appId}/alice/b:c`, token, 'alice');
      await expectSignedPath(`/signature/invite/${appId}/alice/conv/b`, token, 'alice');
      expect(verify).toHaveBeenCalledTimes(1);
      await expectSigned(appId, 'alice', await tokenFor(signer, 'alice', { jti: 'another' }));
      expect(verify).toHaveBeenCalledTimes(2);
    }
  });

  it('for its own client only, and not with anything changed in it', async () => {
    const token = await tokenFor(key, 'alice');
    await expectSigned(app, 'alice', token);
    await expectRefused(login(app, 'bob'), 'identity_mismatch', token);
    const [head = '', claims = '', signature = ''] = token.split('.');
    const other = compact({}, { sub: 'bob', exp: inSeconds(300) }).split('.')[1] ?? '';
    await expectRefused(login(app, 'bob'), 'identity_invalid', `${head}.${other}.${signature}`);
    await expectRefused(login(app, 'alice'), 'identity_invalid', `${head}.${claims}.`);
  });

  it('for ten minutes, so that a withdrawn key is not accepted until its tokens expire', async () => {
    laterBy(0);
    const appId = await makeApp({ algorithms: ['ES256'], jwks: jwks(key) });
    const verify = vi.spyOn(crypto.subtle, 'verify');
    const token = await tokenFor(key, 'alice', { exp: inSeconds(86_400) });
    for (const [seconds, times] of [
      [0, 1],
      [599, 1],
      [2, 2],
      [0, 2],
    ] as const) {
      laterBy(seconds);
      await expectSigned(appId, 'alice', token);
      expect(verify).toHaveBeenCalledTimes(times);
    }
  });

  it('until it expires', async () => {
    laterBy(0);
    const token = await tokenFor(key, 'alice', { exp: inSeconds(60) });
    await expectSigned(app, 'alice', token);
    laterBy(89);
    await expectSigned(app, 'alice', token);
    laterBy(1);
    await expectRefused(login(app, 'alice'), 'identity_expired', token);
  });

  it.each([
    ['audience', 'another'],
    ['issuer', 'https://another.example.com'],
    ['client_id_claim', 'user_id'],
    ['algorithms', '{ES512}'],
    ['jwks', JSON.stringify({ keys: [] })],
  ])('until the app has another %s, without a restart', async (column, value) => {
    const appId = await makeApp({ algorithms: ['ES256'], jwks: jwks(key) });
    const token = await tokenFor(key, 'alice');
    await expectSigned(appId, 'alice', token);
    await service.database.query(`UPDATE app_identity SET ${column} = $2 WHERE app_id = $1`, [appId, value]);
    await expectRefused(login(appId, 'alice'), 'identity_invalid', token);
  });

  it('until the app gets another secret, is disabled, or loses its settings', async () => {
    const appId = await makeHmacApp();
    const token = await tokenFor(secretKey(SECRET), 'alice');
    await expectSigned(appId, 'alice', token);
    await service.database.query('UPDATE apps SET disabled = true WHERE app_id = $1', [appId]);
    await expectRefused(login(appId, 'alice'), 'app_disabled', token);
    await service.database.query('UPDATE apps SET disabled = false WHERE app_id = $1', [appId]);
    await expectSigned(appId, 'alice', token);
    await service.database.query('UPDATE app_identity SET sealed_hmac_secret = $2 WHERE app_id = $1', [
      appId,
      seal('another secret', hmacSecretPurpose(appId), service.sealingKeys),
    ]);
    await expectRefused(login(appId, 'alice'), 'identity_invalid', token);
    await service.database.query('DELETE FROM app_identity WHERE app_id = $1', [appId]);
    await expectRefused(login(appId, 'alice'), 'unavailable', token);
  });
});

describe('the database refuses identity settings', () => {
  const SEALED = 'v1.default.AAAA';
  const URI = 'https://login.example.com/keys';
  const RSA = { kty: 'RSA', n: 'AAAA', e: 'AQAB' };

  it.each<[string, Identity]>([
    ['without a key', { algorithms: ['RS256'] }],
    ['with an address and keys', { algorithms: ['RS256'], jwks_uri: URI, jwks: { keys: [RSA] } }],
    ['with an address and a secret', { algorithms: ['RS256'], jwks_uri: URI, sealed_hmac_secret: SEALED }],
    ['with keys and a secret', { algorithms: ['HS256'], jwks: { keys: [RSA] }, sealed_hmac_secret: SEALED }],
    ['with an HMAC algorithm for an address', { algorithms: ['HS256'], jwks_uri: URI }],
    ['with an HMAC algorithm for keys', { algorithms: ['HS256'], jwks: { keys: [RSA] } }],
    ['with an HMAC algorithm among others', { algorithms: ['RS256', 'HS512'], jwks_uri: URI }],
    ['with a public-key algorithm for a secret', { algorithms: ['RS256'], sealed_hmac_secret: SEALED }],
    ['with a public-key algorithm among others', { algorithms: ['HS256', 'ES256'], sealed_hmac_secret: SEALED }],
    ['without algorithms', { algorithms: [], jwks_uri: URI }],
    ['with an unknown algorithm', { algorithms: ['RS257'], jwks_uri: URI }],
    ['with the algorithm none', { algorithms: ['none'], jwks_uri: URI }],
    ['with an algorithm in small letters', { algorithms: ['rs256'], jwks_uri: URI }],
    ['with an algorithm that is null', { algorithms: ['RS256', null as never], jwks_uri: URI }],
    ['with http to another host', { algorithms: ['RS256'], jwks_uri: 'http://login.example.com/keys' }],
    ['with http to a host named like this one', { algorithms: ['RS256'], jwks_uri: 'http://localhost.example.com/' }],
    [
      'with http past a user named like this host',
      { algorithms: ['RS256'], jwks_uri: 'http://localhost:80@example.com/' },
    ],
    ['with an address of a file', { algorithms: ['RS256'], jwks_uri: 'file:///etc/passwd' }],
    ['with an address that is none', { algorithms: ['RS256'], jwks_uri: 'login.example.com/https://' }],
    ['with a private key', { algorithms: ['RS256'], jwks: { keys: [RSA, { ...RSA, d: 'AAAA' }] } }],
    ['with a symmetric key', { algorithms: ['RS256'], jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }],
    ['with keys that are no list', { algorithms: ['RS256'], jwks: { keys: RSA } }],
    ['with one key in place of a set', { algorithms: ['RS256'], jwks: RSA }],
    ['with a list in place of a set', { algorithms: ['RS256'], jwks: [RSA] }],
    ['with JSON null in place of a set', { algorithms: ['RS256'], jwks: null }],
    ['with a secret that is not sealed', { algorithms: ['HS256'], sealed_hmac_secret: SECRET }],
    ['with an empty issuer', { algorithms: ['RS256'], jwks_uri: URI, issuer: '' }],
    ['with an empty audience', { algorithms: ['RS256'], jwks_uri: URI, audience: '' }],
    ['with an empty claim', { algorithms: ['RS256'], jwks_uri: URI, client_id_claim: '' }],
  ])('%s', async (_what, identity) => {
    await expect(makeApp(identity)).rejects.toThrow(/violates (check|not-null) constraint/);
  });

  it('of an unknown app, or a second row for an app', async () => {
    const identity = { algorithms: ['RS256'], jwks_uri: URI };
    await expect(insertIdentity('not-there', identity)).rejects.toThrow(/violates foreign key/);
    await expect(insertIdentity(app, identity)).rejects.toThrow(/duplicate key/);
  });

  it('but accepts valid ones', async () => {
    await makeApp({ algorithms: ['RS256', 'ES256'], jwks_uri: URI });
    await makeApp({ algorithms: ['RS256'], jwks_uri: 'http://[::1]:8080/keys' });
    await makeApp({ algorithms: ['PS512', 'EdDSA'], jwks: { keys: [RSA] } });
    const shared = { algorithms: ['HS256', 'HS384', 'HS512'], sealed_hmac_secret: SEALED };
    await expect(makeApp(shared)).resolves.toMatch(/^app-/);
  });
});

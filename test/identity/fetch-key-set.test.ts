import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { fetchKeySet, isKeySetUri, parseKeySet } from '../../src/identity/fetch-key-set.js';
import { DIST } from '../support/built.js';
import {
  answers,
  type Issuer,
  type IssuerAnswer,
  type KeyPair,
  makeKey,
  redirectTo,
  startIssuer,
  text,
} from '../support/issuer.js';

let key: KeyPair;
let issuer: Issuer;
let stranger: Issuer;

beforeAll(async () => {
  key = await makeKey('ES256', 'one');
  issuer = await startIssuer(key);
  stranger = await startIssuer(key);
});

afterEach(() => {
  vi.restoreAllMocks();
  issuer.answer();
});

afterAll(async () => {
  await issuer.close();
  await stranger.close();
});

describe('the address of a key set', () => {
  it.each([
    'https://login.example.com/.well-known/jwks.json',
    'https://login.example.com:8443/keys?tenant=1',
    'http://localhost/keys',
    'http://localhost:8080/keys',
    'http://127.0.0.1:8080/keys',
    'http://[::1]:8080/keys',
  ])('may be %s', (uri) => {
    expect(isKeySetUri(uri)).toBe(true);
  });

  it.each([
    'http://login.example.com/keys',
    'http://localhost.example.com/keys',
    'http://127.0.0.1.example.com/keys',
    'http://localhost@login.example.com/keys',
    'http://10.0.0.1/keys',
    'https://user:password@login.example.com/keys',
    'https://user@login.example.com/keys',
    'file:///etc/keys.json',
    'data:application/json,{"keys":[]}',
    'ftp://login.example.com/keys',
    'login.example.com/keys',
    '/keys',
    '',
  ])('may not be %j', (uri) => {
    expect(isKeySetUri(uri)).toBe(false);
  });
});

describe('a JWK Set', () => {
  it('may hold what is no public key, which is ignored, and begin with a byte order mark', () => {
    expect(parseKeySet('\uFEFF{"keys":[null,{"kty":"RSA"},[],{"kty":"oct","k":"AAAA"}]}')).toEqual({
      keys: [{ kty: 'RSA' }],
      ignored: 3,
    });
  });

  it('may hold members that are null, as if they were not there', () => {
    const text = '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","d":null,"alg":null}]}';
    expect(parseKeySet(text).keys).toEqual([{ kty: 'RSA', n: 'AQAB', e: 'AQAB' }]);
  });

  it('may hold keys of unknown types', () => {
    const text = '{"keys":[{"kty":"new"},{"kty":"RSA"}],"more":1}';
    expect(parseKeySet(text)).toEqual({ keys: [{ kty: 'new' }, { kty: 'RSA' }], ignored: 0 });
  });

  it.each([
    ['not JSON', 'not JSON'],
    ['', 'not JSON'],
    ['{"keys":[]}', 'without public keys'],
    ['null', '"keys" is missing'],
    ['[]', '"keys" is missing'],
    ['{}', '"keys" is missing'],
    ['{"keys":{}}', '"keys" is missing'],
    ['{"keys":["a",null,[]]}', 'without public keys'],
    ['{"keys":[{"kty":"RSA"},{"kty":"EC","d":"AAAA"}]}', 'must not hold private keys'],
    ['{"keys":[{"kty":"oct","k":"AAAA"}]}', 'without public keys'],
  ])('is refused when it is %j: %s', (text, reason) => {
    expect(() => parseKeySet(text)).toThrow(reason);
  });
});

describe('fetching the keys', () => {
  it('returns the keys that the issuer publishes', async () => {
    expect(await fetchKeySet(issuer.url)).toEqual({ keys: [key.jwk], etag: undefined });
  });

  it('follows no redirect, not even one that stays with the host', async () => {
    const before = issuer.requests.length;
    issuer.answer(redirectTo('/elsewhere?v=2'));
    await expect(fetchKeySet(issuer.url)).rejects.toThrow('unexpected redirect');
    expect(issuer.requests.slice(before)).toEqual(['/jwks.json']);
  });

  it.each<[string, IssuerAnswer, string]>([
    ['status 500, even with the keys', answers.error500, 'status 500'],
    ['HTML', answers.html, 'not JSON'],
    ['100 MB', answers.hundredMegabytes, 'more than 262144 bytes'],
    ['100 MB, compressed to 100 kB', answers.hundredMegabytesZipped, 'more than 262144 bytes'],
    ['no keys', text('{"secret":"of the issuer"}'), '"keys" is missing'],
    [
      'a redirect without end',
      (response) => response.writeHead(302, { location: '/jwks.json' }).end(),
      'unexpected redirect',
    ],
    ['a redirect to nowhere', (response) => response.writeHead(302).end(), 'unexpected redirect'],
    [
      'a redirect to an invalid address',
      (response) => response.writeHead(302, { location: 'http://' }).end(),
      'unexpected redirect',
    ],
    [
      'a redirect to a file',
      (response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      'unexpected redirect',
    ],
  ])('fails on %s', async (_what, answer, reason) => {
    issuer.answer(answer);
    await expect(fetchKeySet(issuer.url)).rejects.toThrow(reason);
  });

  it('sends no request to another host, even where a redirect leads to one that has the keys', async () => {
    issuer.answer(redirectTo(stranger.url));
    await expect(fetchKeySet(issuer.url)).rejects.toThrow('unexpected redirect');
    expect(stranger.requests).toEqual([]);
  });

  it('reports the reason of a network error', async () => {
    await stranger.die();
    await expect(fetchKeySet(stranger.url)).rejects.toThrow('ECONNREFUSED');
  });

  const hasProxies = process.allowedNodeEnvironmentFlags.has('--use-env-proxy');
  it.skipIf(!hasProxies)(
    'reports what a proxy refuses (runs on Node 22.21 and later, which knows proxies)',
    async () => {
      const proxy = createServer().on('connect', (_request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'));
      await once(proxy.listen(0, '127.0.0.1'), 'listening');
      const { port } = proxy.address() as AddressInfo;
      const script = `(await import(${JSON.stringify(pathToFileURL(join(DIST, 'src/identity/fetch-key-set.js')).href)})).fetchKeySet('https://issuer.example/jwks.json')`;
      const env = { ...process.env, NODE_USE_ENV_PROXY: '1', HTTPS_PROXY: `http://127.0.0.1:${port}` };
      const asking = promisify(execFile)(process.execPath, ['--input-type=module', '-e', `await ${script}`], { env });
      await expect(asking).rejects.toThrow('Error: Proxy response (403)');
      proxy.close();
    },
  );

  it.each([
    ['nothing comes', answers.nothing],
    ['only half of the body comes', answers.half],
  ])('fails after 3 s when %s', async (_what, answer) => {
    const timeout = new AbortController();
    const limit = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(timeout.signal);
    const fetch = vi.spyOn(globalThis, 'fetch');
    issuer.answer(answer);
    const asked = issuer.asked();
    const failing = fetchKeySet(issuer.url);
    await asked;
    if (answer === answers.half) await fetch.mock.results[0]?.value;
    timeout.abort();
    await expect(failing).rejects.toThrow('no answer within 3 s');
    expect(limit).toHaveBeenCalledWith(3_000);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fetchKeySet, isKeySetUri, parseKeySet } from '../../src/identity/fetch-key-set.js';
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
  issuer.answer();
});

afterAll(async () => {
  await issuer.close();
  await stranger.close();
});

describe('keys may come', () => {
  it.each([
    'https://login.example.com/.well-known/jwks.json',
    'https://login.example.com:8443/keys?tenant=1',
    'http://localhost/keys',
    'http://localhost:8080/keys',
    'http://127.0.0.1:8080/keys',
    'http://[::1]:8080/keys',
  ])('from %s', (uri) => {
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
  ])('not from %j', (uri) => {
    expect(isKeySetUri(uri)).toBe(false);
  });
});

describe('a JWK Set', () => {
  it('may hold keys of kinds that are not known here', () => {
    const text = '{"keys":[{"kty":"new"},{"kty":"RSA"}],"more":1}';
    expect(parseKeySet(text)).toEqual(JSON.parse(text));
  });

  it.each([
    ['not JSON', 'not JSON'],
    ['', 'not JSON'],
    ['null', '"keys" is missing'],
    ['[]', '"keys" is missing'],
    ['{}', '"keys" is missing'],
    ['{"keys":{}}', '"keys" is missing'],
    ['{"keys":["a"]}', 'a key is no object'],
    ['{"keys":[null]}', 'a key is no object'],
    ['{"keys":[{"kty":"RSA"},{"kty":"EC","d":"AAAA"}]}', 'private or symmetric'],
    ['{"keys":[{"kty":"oct","k":"AAAA"}]}', 'private or symmetric'],
  ])('is not %s: %s', (text, reason) => {
    expect(() => parseKeySet(text)).toThrow(reason);
  });
});

describe('fetching the keys', () => {
  it('brings what the issuer publishes', async () => {
    expect(await fetchKeySet(issuer.url)).toEqual({ keys: [key.jwk], etag: undefined });
  });

  it('follows redirects that stay with the host', async () => {
    issuer.answer(redirectTo('/elsewhere?v=2'));
    expect(await fetchKeySet(issuer.url)).toEqual({ keys: [key.jwk], etag: undefined });
    expect(issuer.requests.slice(-2)).toEqual(['/jwks.json', '/elsewhere?v=2']);
  });

  it.each<[string, IssuerAnswer, string]>([
    ['status 500, whatever comes with it', answers.error500, 'status 500'],
    ['HTML', answers.html, 'not JSON'],
    ['100 MB', answers.hundredMegabytes, 'more than 262144 bytes'],
    ['100 MB in a small parcel', answers.hundredMegabytesZipped, 'more than 262144 bytes'],
    ['no keys', text('{"secret":"of the issuer"}'), '"keys" is missing'],
    [
      'a redirect without end',
      (response) => response.writeHead(302, { location: '/jwks.json' }).end(),
      'too many redirects',
    ],
    ['a redirect to nowhere', (response) => response.writeHead(302).end(), 'status 302'],
    [
      'a redirect to no address',
      (response) => response.writeHead(302, { location: 'http://' }).end(),
      'Invalid URL',
    ],
    [
      'a redirect to a file',
      (response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      'a redirect to another host',
    ],
  ])('is refused: %s', async (_what, answer, reason) => {
    issuer.answer(answer);
    await expect(fetchKeySet(issuer.url)).rejects.toThrow(reason);
  });

  it('never goes to another host, be it one that has the keys', async () => {
    issuer.answer(redirectTo(stranger.url));
    await expect(fetchKeySet(issuer.url)).rejects.toThrow('a redirect to another host');
    expect(stranger.requests).toEqual([]);
  });

  it('says what the network says', async () => {
    await stranger.die();
    await expect(fetchKeySet(stranger.url)).rejects.toThrow('ECONNREFUSED');
  });

  it('ends after 3 s, whether nothing comes or only a part', async () => {
    issuer.answer(answers.nothing);
    const nothing = fetchKeySet(issuer.url);
    await issuer.asked();
    issuer.answer(answers.half);
    const half = fetchKeySet(issuer.url);
    await Promise.all([
      expect(nothing).rejects.toThrow('no answer within 3 s'),
      expect(half).rejects.toThrow('no answer within 3 s'),
    ]);
  });
});

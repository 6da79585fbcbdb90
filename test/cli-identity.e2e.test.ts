import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, makeDatabase } from './support/database.js';
import { type Admin, makeAdmin } from './support/admin.js';

const MASTER_KEY = 'master-key-of-these-tests';
const HMAC_SECRET = 'shared-secret-of-these-tests-of-48-bytes-or-more!';
const SECRETS = /master-key-of-these-tests|shared-secret-of-these-tests/;
const SEALING_KEY = randomBytes(32).toString('base64');

let database: TestDatabase;
let admin: Admin;
let privateKey: CryptoKey;
/** The current folder, where the files of keys are. */
let folder: string;
const home = process.cwd();

beforeAll(async () => {
  database = await makeDatabase('migrated');
  admin = await makeAdmin({ DATABASE_URL: database.url, SECRETS_KEY: `one:${SEALING_KEY}` });
  folder = await mkdtemp(join(tmpdir(), 'im-signature-keys-'));
  process.chdir(folder);
  const pair = await generateKeyPair('ES256', { extractable: true });
  privateKey = pair.privateKey;
  const publicJwk = { ...(await exportJWK(pair.publicKey)), kid: 'first' };
  await writeFile(join(folder, 'keys.json'), JSON.stringify({ keys: [publicJwk] }));
  await writeFile(join(folder, 'private.json'), JSON.stringify({ keys: [await exportJWK(pair.privateKey)] }));
  await writeFile(join(folder, 'page.json'), '<html>');
  await writeFile(join(folder, 'utf-16.json'), '\ufeff{"keys":[]}', 'utf16le');
});

afterAll(async () => {
  expect(admin.said()).not.toMatch(SECRETS);
  expect([...(await admin.written()).values()].join()).not.toMatch(SECRETS);
  expect((await database.dump()).join()).not.toMatch(SECRETS);
  await database.drop();
  await admin.remove();
  process.chdir(home);
  await rm(folder, { recursive: true });
});

const register = (id: string, ...more: string[]): string[] => [
  'app',
  'register',
  '--app-id',
  id,
  '--name',
  'x',
  ...more,
];

async function apply(): Promise<void> {
  await admin.does(['migrate']);
}

const identities = async () =>
  database.query<{ algorithms: string[]; issuer: string | null; jwks: unknown; sealed_hmac_secret: string | null }>(
    'SELECT algorithms, issuer, jwks, sealed_hmac_secret FROM app_identity',
  );

describe('an app that asks for tokens', () => {
  it('is registered with public keys from a file', async () => {
    const tokens = ['--jwks-file', 'keys.json', '--algorithms', 'ES256', '--issuer', "https://o'neill.example"];
    await admin.does(register('shop', '--identity', 'jwt', ...tokens), { input: MASTER_KEY });
    await apply();
    expect(await identities()).toMatchObject([{ algorithms: ['ES256'], issuer: "https://o'neill.example" }]);
    const shown = JSON.parse(await admin.does(['app', 'show', 'shop', '--json'])) as { tokens: unknown };
    expect(shown.tokens).toMatchObject({ keys: 'first', algorithms: 'ES256', client_id_claim: 'sub' });
    expect(await admin.does(['app', 'list'])).toContain('jwt');
  });

  it('has a token tried by identity check, which says why one does not pass', async () => {
    const token = (issuer: string, expires: string) =>
      new SignJWT({ sub: 'alice' })
        .setProtectedHeader({ alg: 'ES256', kid: 'first' })
        .setIssuer(issuer)
        .setExpirationTime(expires)
        .sign(privateKey);
    const check = ['identity', 'check', '--app-id', 'shop'];
    const good = await token("https://o'neill.example", '1h');
    expect(await admin.does(check, { input: good })).toMatch(/^The token passes: it is client "alice", until 20/);
    expect(await admin.fails(check, { input: await token('https://evil.example', '1h') })).toBe(
      'im-signature: cannot verify a token: unexpected "iss" claim value; "im-signature app show" shows what the app\'s tokens must have',
    );
    expect(await admin.fails(check, { input: await token("https://o'neill.example", '-1h') })).toMatch(/has expired;/);
    expect(await admin.fails(check, { input: `${good.slice(0, -4)}AAAA` })).toMatch(/signature verification failed;/);
    await database.query(`INSERT INTO client_cutoffs (app_id, client_id) VALUES ('shop', 'alice')`);
    expect(await admin.fails(check, { input: good })).toMatch(
      /: the tokens of "alice" that were issued before \S+Z are ended; let the client log in anew$/,
    );
    await database.query('DELETE FROM client_cutoffs');
    expect(admin.said()).not.toContain(good.split('.')[2]);
  });

  it('is changed to a shared secret, which is sealed, and back when that is reverted', async () => {
    const before = await identities();
    const set = ['app', 'set', '--app-id', 'shop', '--hmac-secret', '--algorithms', 'HS256,HS384'];
    await admin.does(set, { input: HMAC_SECRET });
    await apply();
    const [after] = await identities();
    expect(after).toMatchObject({ algorithms: ['HS256', 'HS384'], issuer: "https://o'neill.example", jwks: null });
    expect(after?.sealed_hmac_secret).toMatch(/^v1\.one\./);
    const token = await new SignJWT({ sub: 'bob' })
      .setProtectedHeader({ alg: 'HS384' })
      .setIssuer("https://o'neill.example")
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(HMAC_SECRET));
    expect(await admin.does(['identity', 'check', '--app-id', 'shop'], { input: token })).toContain('client "bob"');

    await admin.does(['migrate', '--revert', '--yes']);
    expect(await identities()).toEqual(before);
    await admin.does(['migrate']);
  });

  it('keeps an address of keys in the form that the database takes', async () => {
    const tokens = ['--jwks-uri', 'HTTPS://Login.Example.com/keys', '--algorithms', 'RS256'];
    await admin.does(register('upper', '--identity', 'jwt', ...tokens), { input: MASTER_KEY });
    await apply();
    expect(await database.query(`SELECT jwks_uri FROM app_identity WHERE app_id = 'upper'`)).toEqual([
      { jwks_uri: 'https://login.example.com/keys' },
    ]);
    await admin.does(['migrate', '--revert', '--yes']);
    for (const name of (await admin.written()).keys()) {
      if (!name.includes('upper')) continue;
      await rm(join(admin.migrations, name));
    }
  });

  it('has its shared secret sealed anew with everything else', async () => {
    const both = { SECRETS_KEY: `two:${randomBytes(32).toString('base64')},one:${SEALING_KEY}` };
    await admin.does(['secrets', 'reseal', '--from', 'one', '--to', 'two'], { env: both });
    await admin.does(['migrate'], { env: both });
    const [identity] = await identities();
    expect(identity?.sealed_hmac_secret).toMatch(/^v1\.two\./);
    expect(await admin.does(['app', 'check'], { env: both })).toContain('every sealed key opens');
    const { code, stdout } = await admin.im(['app', 'check']);
    expect(code).toBe(1);
    expect(stdout).toContain('HMAC secret: sealed with key "two"');
    await admin.does(['migrate', '--revert', '--yes']);
    expect((await identities())[0]?.sealed_hmac_secret).toMatch(/^v1\.one\./);
    await rm(join(admin.migrations, [...(await admin.written()).keys()].at(-1) ?? ''));
  });

  it('is opened to everyone by a migration that says so, and closed again when that is reverted', async () => {
    await admin.does(['app', 'set', '--app-id', 'shop', '--identity', 'none']);
    await apply();
    expect(await identities()).toEqual([]);
    expect(await admin.does(['app', 'list'])).toContain('none: open');
    await admin.does(['migrate', '--revert', '--yes']);
    expect(await identities()).toHaveLength(1);
  });
});

describe('a shared secret that is bytes', () => {
  const bytes = Buffer.from('f8a1'.repeat(16), 'hex');
  const jwt = (id: string, ...more: string[]) =>
    register(id, '--identity', 'jwt', '--algorithms', 'HS256', '--hmac-secret', ...more);
  const token = (secret = bytes) =>
    new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h').sign(secret);

  it.each([
    ['base64', bytes.toString('base64')],
    ['base64url', bytes.toString('base64url')],
    ['base64', bytes.toString('base64').replace(/=+$/, '')],
  ])('is entered as %s', async (encoding, text) => {
    const id = `bytes-${randomBytes(4).toString('hex')}`;
    await admin.does(jwt(id, '--hmac-secret-encoding', encoding), { input: `${MASTER_KEY}\n${text}\n` });
    await apply();
    expect(await admin.does(['identity', 'check', '--app-id', id], { input: await token() })).toContain(
      'is client "alice"',
    );
  });

  it('may be a text that an issuer decodes as base64, whatever its last character is', async () => {
    const text = 'MySuperSecretKeyForJwtTokensThatIsLongEnough123456';
    await admin.does(jwt('typed', '--hmac-secret-encoding', 'base64'), { input: `${MASTER_KEY}\n${text}\n` });
    await apply();
    // As java.util.Base64 decodes it.
    const decoded = Buffer.from('3324aea5ead279cadeb4a7b2168ac9c2d4e891e9ec4e16ad22c2e89e0127a2e821d76df8e7', 'hex');
    expect(await admin.does(['identity', 'check', '--app-id', 'typed'], { input: await token(decoded) })).toContain(
      'is client "alice"',
    );
  });

  it('and was registered as text is what the check of a token asks about', async () => {
    await admin.does(jwt('bytes-as-text'), { input: `${MASTER_KEY}\n${bytes.toString('base64')}\n` });
    await apply();
    expect(await admin.fails(['identity', 'check', '--app-id', 'bytes-as-text'], { input: await token() })).toMatch(
      /failed; set the secret of the issuer, with --hmac-secret-encoding where it is bytes as base64$/,
    );
  });

  it.each([
    ['base64', 'not base64!', /the HMAC secret is not base64$/],
    ['base64', `${bytes.toString('base64url')}A`, /the HMAC secret is not base64$/],
    ['base64', 'A'.repeat(45), /the HMAC secret is not base64$/],
    ['base64url', bytes.toString('base64'), /the HMAC secret is not base64url$/],
    ['base64', Buffer.alloc(31, 1).toString('base64'), /has 31 bytes; HS256 takes 32 or more$/],
  ])('is refused as %s when it is %s', async (encoding, text, line) => {
    const args = jwt('bytes', '--hmac-secret-encoding', encoding);
    expect(await admin.fails(args, { input: `${MASTER_KEY}\n${text}\n` })).toMatch(line);
  });

  it('needs --hmac-secret beside its encoding', async () => {
    const keys = ['--algorithms', 'ES256', '--jwks-file', 'keys.json'];
    const args = register('encoded', '--identity', 'jwt', ...keys, '--hmac-secret-encoding', 'base64');
    const { code, stderr } = await admin.im(args, { input: MASTER_KEY });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        'im-signature: cannot register an app: --hmac-secret-encoding goes with --hmac-secret; see "im-signature app register --help"\n',
    });
  });
});

describe('Ed25519 and EdDSA', () => {
  it.each([
    ['Ed25519', 'EdDSA', 'Ed25519'],
    ['EdDSA', 'Ed25519', 'EdDSA'],
    ['EdDSA', 'EdDSA', 'Ed25519'],
    ['Ed25519', 'Ed25519', 'EdDSA'],
  ])('are one algorithm: registered %s, key %s, token %s', async (registered, keyAlgorithm, tokenAlgorithm) => {
    const { publicKey, privateKey: key } = await generateKeyPair('Ed25519', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), alg: keyAlgorithm };
    await writeFile(join(folder, 'ed.json'), JSON.stringify({ keys: [jwk] }));
    const id = `ed-${randomBytes(4).toString('hex')}`;
    await admin.does(register(id, '--identity', 'jwt', '--algorithms', registered, '--jwks-file', 'ed.json'), {
      input: MASTER_KEY,
    });
    await apply();
    const token = await new SignJWT({ sub: 'alice' })
      .setProtectedHeader({ alg: tokenAlgorithm })
      .setExpirationTime('1h')
      .sign(key);
    expect(await admin.does(['identity', 'check', '--app-id', id], { input: token })).toContain('is client "alice"');
  });
});

describe('a client id that is a number', () => {
  it('is refused beyond 2^53 - 1 with the reason, as its digits are lost', async () => {
    await admin.does(
      register('uid', '--identity', 'jwt', '--algorithms', 'HS256', '--hmac-secret', '--client-id-claim', 'uid'),
      { input: `${MASTER_KEY}\n${HMAC_SECRET}\n` },
    );
    await apply();
    const check = async (uid: unknown) => {
      const token = await new SignJWT({ uid })
        .setProtectedHeader({ alg: 'HS256' })
        .setExpirationTime('1h')
        .sign(new TextEncoder().encode(HMAC_SECRET));
      return admin.im(['identity', 'check', '--app-id', 'uid'], { input: token });
    };
    expect((await check(9007199254740991)).stdout).toContain('"9007199254740991"');
    expect((await check('1234567890123456789')).stdout).toContain('"1234567890123456789"');
    expect((await check(9007199254740992)).stderr).toContain('up to 2^53 - 1: let the issuer send text');
  });
});

describe('identity settings that do not go together', () => {
  const JWT = ['--identity', 'jwt'];

  it.each<[string, string[], number, RegExp]>([
    ['an open app with tokens', ['--identity', 'none', '--issuer', 'x'], 2, /for --identity jwt only/],
    ['no key', [...JWT, '--algorithms', 'RS256'], 2, /one of --jwks-uri, --jwks-file and --hmac-secret/],
    ['no algorithms', [...JWT, '--jwks-file', 'keys.json'], 2, /needs --algorithms/],
    ['two kinds of key', [...JWT, '--jwks-file', 'keys.json', '--hmac-secret'], 2, /cannot be used with/],
    [
      'an HMAC algorithm with public keys',
      [...JWT, '--jwks-file', 'keys.json', '--algorithms', 'HS256'],
      2,
      /HS256 does not go with public keys/,
    ],
    [
      'a public key algorithm with a secret',
      [...JWT, '--hmac-secret', '--algorithms', 'RS256'],
      2,
      /RS256 does not go with a shared secret/,
    ],
    ['the algorithm none', [...JWT, '--jwks-file', 'keys.json', '--algorithms', 'none'], 2, /"none" is none of RS256/],
    [
      'keys without TLS',
      [...JWT, '--jwks-uri', 'http://issuer.example/keys', '--algorithms', 'RS256'],
      2,
      /An https address/,
    ],
    [
      'an address of keys with an invisible character',
      [...JWT, '--jwks-uri', 'https://issuer.example/keys\u200b', '--algorithms', 'RS256'],
      2,
      /an invisible character \(U\+200B\)/,
    ],
    [
      'a private key',
      [...JWT, '--jwks-file', 'private.json', '--algorithms', 'ES256'],
      1,
      /must not hold private keys/,
    ],
    [
      'a file that is no JWK Set',
      [...JWT, '--jwks-file', 'page.json', '--algorithms', 'ES256'],
      1,
      /page\.json: not JSON/,
    ],
    [
      'a file that PowerShell wrote as UTF-16',
      [...JWT, '--jwks-file', 'utf-16.json', '--algorithms', 'ES256'],
      1,
      /utf-16\.json: not UTF-8/,
    ],
    [
      'a file that is not there',
      [...JWT, '--jwks-file', 'none.json', '--algorithms', 'ES256'],
      1,
      /cannot be read \(ENOENT\)/,
    ],
    [
      'a secret shorter than its algorithm takes',
      [...JWT, '--hmac-secret', '--algorithms', 'HS512'],
      1,
      /takes 64 or more/,
    ],
  ])('%s are refused', async (_what, options, code, line) => {
    const secrets = options.includes('--hmac-secret') ? `${MASTER_KEY}\n${HMAC_SECRET}\n` : MASTER_KEY;
    const before = await admin.written();
    const finished = await admin.im(register('other', ...options), { input: secrets });
    expect(finished.code, finished.stderr).toBe(code);
    expect(finished.stderr).toMatch(line);
    expect(await admin.written()).toEqual(before);
  });

  it('a secret that is missing on standard input is no empty one', async () => {
    const options = ['--hmac-secret', '--algorithms', 'HS256'];
    expect(await admin.fails(register('other', ...JWT, ...options), { input: MASTER_KEY })).toBe(
      'im-signature: cannot register an app: standard input: expected 2 line(s) (master key, HMAC secret), got 1',
    );
  });

  it('an app that asks for no tokens has none to check', async () => {
    await database.query(`INSERT INTO apps (app_id, name, identity) VALUES ('open', 'x', 'none')`);
    expect(await admin.fails(['identity', 'check', '--app-id', 'open'])).toContain('asks for no tokens');
  });
});

it('an app whose sealing key is lost signs again once its secrets are given anew, and the old ones are no fault', async () => {
  const own = await makeDatabase('migrated');
  const ann = await makeAdmin({ DATABASE_URL: own.url, SECRETS_KEY: `old:${SEALING_KEY}` });
  const env = { SECRETS_KEY: `new:${randomBytes(32).toString('base64')}` };
  const tokens = ['--identity', 'jwt', '--algorithms', 'HS256', '--hmac-secret'];
  await ann.does(register('lost', ...tokens), { input: `${MASTER_KEY}\n${HMAC_SECRET}` });
  await ann.does(['migrate']);
  expect((await ann.im(['app', 'check'], { env })).code).toBe(1);

  await ann.does(['app', 'rotate-key', '--app-id', 'lost'], { input: MASTER_KEY, env });
  expect(await ann.im(['migrate'], { env })).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('lost: HMAC secret: sealed with key "old"') as string,
  });
  await ann.does(['app', 'set', '--app-id', 'lost', '--hmac-secret'], { input: HMAC_SECRET, env });
  expect(await ann.does(['migrate'], { env })).toContain(
    'lost: master key 1, which signs no more: sealed with key "old"',
  );
  expect((await ann.im(['app', 'check'], { env })).code).toBe(0);

  await own.drop();
  await ann.remove();
});

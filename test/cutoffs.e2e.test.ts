import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { hmacSecretPurpose, seal } from '../src/apps/sealing.js';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { createSignatureFactories } from '../clients/js/src/index.js';
import { inSeconds, secretKey, tokenFor } from './support/issuer.js';
import { type ImClient, type SignatureFactories, sdks } from './support/leancloud-sdk.js';
import { startRtmServer } from './support/rtm-server.js';
import { startService, type TestService } from './support/service.js';

const SECRET = 'a secret of the issuer, 32 bytes long';
/** A cut-off in the middle of a second. */
const CUTOFF = 1_795_000_000;
const AT = `to_timestamp(${CUTOFF}.5)`;

let service: TestService;

beforeAll(async () => {
  service = await startService();
  for (const appId of ['shop', 'other']) {
    await service.registerApp(appId, 'a-master-key', { identity: 'jwt' });
    await service.database.query(
      `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ($1, '{HS256}', $2)`,
      [appId, seal(SECRET, hmacSecretPurpose(appId), service.sealingKeys)],
    );
  }
});

beforeEach(() => service.database.query('TRUNCATE client_cutoffs, app_cutoffs'));

afterAll(() => service.close());

const tokenOf = (clientId: string, iat?: number): Promise<string> => tokenFor(secretKey(SECRET), clientId, { iat });

function ask(token: string, path = 'signature/login/shop/alice'): Promise<Response> {
  return fetch(`${service.url}/${path}`, { headers: { authorization: `Bearer ${token}` } });
}

/** @returns "allowed", or the code of the refusal. */
async function answerTo(token: string, path?: string): Promise<string> {
  const { code = 'allowed' } = (await (await ask(token, path)).json()) as Partial<ProblemDetails>;
  return code;
}

async function endClient(clientId: string, at = AT): Promise<void> {
  await service.database.query(
    `INSERT INTO client_cutoffs (app_id, client_id, tokens_before) VALUES ('shop', $1, ${at})
     ON CONFLICT (app_id, client_id) DO UPDATE SET tokens_before = EXCLUDED.tokens_before`,
    [clientId],
  );
}

async function endApp(appId: string, at = AT): Promise<void> {
  await service.database.query(`INSERT INTO app_cutoffs (app_id, tokens_before) VALUES ($1, ${at})`, [appId]);
}

describe('a cut-off of a client', () => {
  it('refuses the tokens of the seconds before it, and those without "iat"; the second itself counts', async () => {
    await endClient('alice');
    expect(await answerTo(await tokenOf('alice', CUTOFF - 1))).toBe('identity_revoked');
    expect(await answerTo(await tokenOf('alice', CUTOFF - 0.1))).toBe('identity_revoked');
    expect(await answerTo(await tokenOf('alice'))).toBe('identity_revoked');
    expect(await answerTo(await tokenOf('alice', CUTOFF))).toBe('allowed');
    expect(await answerTo(await tokenOf('alice', CUTOFF + 1))).toBe('allowed');
  });

  it('refuses a token whose "iat" has not come, such as one in milliseconds; a clock may be 30 s ahead', async () => {
    const now = Math.floor(Date.now() / 1000);
    const inMilliseconds = await tokenOf('alice', (CUTOFF - 60) * 1000);
    expect(await answerTo(inMilliseconds)).toBe('allowed');
    await endClient('alice');
    expect(await answerTo(inMilliseconds)).toBe('identity_revoked');
    expect(await answerTo(await tokenOf('alice', now + 3_600))).toBe('identity_revoked');
    expect(await answerTo(await tokenOf('alice', now + 20))).toBe('allowed');
  });

  it('refuses a token that was just verified and is cached, from the next request on, on each path', async () => {
    const token = await tokenOf('alice', CUTOFF - 60);
    const paths = ['signature/login/shop/alice', 'signature/query/shop/alice/c', 'permissions/shop/alice/c'];
    for (const path of paths) expect(await answerTo(token, path)).toBe('allowed');
    await endClient('alice');
    for (const path of paths) expect(await answerTo(token, path)).toBe('identity_revoked');
    await service.database.query('DELETE FROM client_cutoffs');
    for (const path of paths) expect(await answerTo(token, path)).toBe('allowed');
  });

  it('is told as a 401 that asks for another token', async () => {
    await endClient('alice');
    const response = await ask(await tokenOf('alice', CUTOFF - 60));
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toMatchObject({
      code: 'identity_revoked',
      detail: 'The token was issued before the tokens of this client were ended.',
    });
  });

  it('says nothing of a ban to whoever holds the ended token', async () => {
    await service.database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('shop', 'mallory')`);
    await endClient('mallory');
    expect(await answerTo(await tokenOf('mallory', CUTOFF - 60), 'signature/login/shop/mallory')).toBe(
      'identity_revoked',
    );
    expect(await answerTo(await tokenOf('mallory', CUTOFF), 'signature/login/shop/mallory')).toBe('client_banned');
  });

  it('leaves other clients, and the client in another app', async () => {
    await endClient('alice');
    expect(await answerTo(await tokenOf('bob', CUTOFF - 60), 'signature/login/shop/bob')).toBe('allowed');
    expect(await answerTo(await tokenOf('alice', CUTOFF - 60), 'signature/login/other/alice')).toBe('allowed');
  });

  it('in the future refuses every token that is issued until then', async () => {
    await endClient('alice', `now() + interval '1 hour'`);
    const now = Math.floor(Date.now() / 1000);
    expect(await answerTo(await tokenOf('alice', now))).toBe('identity_revoked');
  });
});

describe('a cut-off of an app', () => {
  it('refuses the older tokens of all its clients, and of no other app', async () => {
    await endApp('shop');
    for (const client of ['alice', 'bob']) {
      expect(await answerTo(await tokenOf(client, CUTOFF - 1), `signature/login/shop/${client}`)).toBe(
        'identity_revoked',
      );
      expect(await answerTo(await tokenOf(client, CUTOFF), `signature/login/shop/${client}`)).toBe('allowed');
    }
    expect(await answerTo(await tokenOf('alice', CUTOFF - 1), 'signature/login/other/alice')).toBe('allowed');
  });

  it('and one of the client: the later one counts', async () => {
    await endApp('shop');
    await endClient('alice', `${AT} - interval '1 hour'`);
    expect(await answerTo(await tokenOf('alice', CUTOFF - 60))).toBe('identity_revoked');
    await endClient('alice', `${AT} + interval '1 hour'`);
    expect(await answerTo(await tokenOf('alice', CUTOFF + 60))).toBe('identity_revoked');
    expect(await answerTo(await tokenOf('alice', CUTOFF + 3_600))).toBe('allowed');
  });
});

it('an app that asks for no token has none to end', async () => {
  await endApp('1');
  expect((await fetch(`${service.url}/signature/login/1/alice`)).status).toBe(200);
});

describe.each(sdks)('to $name', ({ connect }) => {
  it('a cut-off ends the token; the IM server ends the connection, the session token and what was signed before', async () => {
    const imServer = await startRtmServer({ appId: 'shop', masterKey: 'a-master-key' });
    onTestFinished(() => imServer.close());
    const logIn = (signatures: SignatureFactories): Promise<ImClient> => {
      const realtime = connect('shop', imServer.port);
      onTestFinished(() => {
        realtime.pause();
      });
      return realtime.createIMClient('alice', signatures);
    };
    const token = await tokenOf('alice', inSeconds(-60));
    const factories = createSignatureFactories({ baseUrl: service.url, appId: 'shop', getToken: () => token });
    const signedBefore = await factories.signatureFactory('alice');
    const client = await logIn(factories);
    await endClient('alice', 'now()');

    await expect(factories.signatureFactory('alice'), 'the token').rejects.toMatchObject({ code: 'identity_revoked' });
    expect(await client.getConversation('c'), 'the connection').toBeNull();
    await expect(client.createConversation({ members: ['bob'] })).rejects.toMatchObject({ code: 'identity_revoked' });
    await expect(logIn({ signatureFactory: () => signedBefore }), 'what was signed before').resolves.toBeDefined();
    const reconnected = once(client, 'reconnect');
    imServer.drop();
    await reconnected;
    expect(imServer.accepted, 'the session token, in place of a signature').toEqual(['session/open', 'session/open']);

    const closed = once(client, 'close');
    imServer.kick('alice');
    await closed;
    await expect(logIn(factories)).rejects.toMatchObject({ code: 'identity_revoked' });
  });
});

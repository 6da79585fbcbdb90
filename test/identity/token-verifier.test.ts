import { exportSPKI } from 'jose';
import { expect, it } from 'vitest';
import type { AppIdentity } from '../../src/apps/app-identity.entity.js';
import { Clock } from '../../src/config/clock.js';
import { TokenVerifier } from '../../src/identity/token-verifier.js';
import { TokenError } from '../../src/identity/verify-token.js';
import { makeKey, secretKey, tokenFor } from '../support/issuer.js';

const verifier = new TokenVerifier(new Map(), new Clock());

it('refuses an HMAC made with the public key, even when the settings list both algorithms', async () => {
  const rsa = await makeKey('RS256', 'rsa');
  const settings: AppIdentity = {
    appId: '1',
    issuer: null,
    audience: null,
    clientIdClaim: 'sub',
    algorithms: ['RS256', 'HS256', 'none'],
    jwksUri: null,
    jwks: { keys: [rsa.jwk] },
    sealedHmacSecret: null,
  };
  for (const secret of [await exportSPKI(rsa.publicKey), JSON.stringify(rsa.jwk)]) {
    const token = await tokenFor({ ...secretKey(secret), kid: 'rsa' }, 'alice');
    await expect(verifier.verify(settings, token)).rejects.toThrow(TokenError);
  }
  await expect(verifier.verify(settings, await tokenFor(rsa, 'alice'))).resolves.toMatchObject({ clientId: 'alice' });
});

import { errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import type { AppIdentity } from '../apps/app-identity.entity.js';
import { ED25519 } from './algorithms.js';
import { clientIdIn } from './client-id-claim.js';
import { RemoteKeys } from './remote-keys.js';

/** Seconds by which the issuer's clock and this one may differ. */
export const CLOCK_TOLERANCE = 30;

/** A token that is not valid. The message is for administrators. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  private readonly isExpired = this.cause instanceof errors.JWTExpired;
  readonly code = this.isExpired ? 'identity_expired' : 'identity_invalid';
  /** For callers. */
  readonly detail = this.isExpired ? 'The token has expired.' : 'The token is not one that this app accepts.';
}

/** The client of a token; `expires` and `issuedAt` in seconds since 1970, the latter undefined without an `iat` in the past. */
export type VerifiedToken = Readonly<{ clientId: string; expires: number; issuedAt: number | undefined }>;

/**
 * Verifies a JWT (RFC 7519, section 7.2) by an app's settings.
 *
 * @throws {TokenError} when the token is not valid.
 * @throws {KeysUnavailableError} when the issuer's keys cannot be fetched.
 */
export async function verifyToken(
  token: string,
  keys: RemoteKeys | JWTVerifyGetKey,
  { algorithms, issuer, audience, clientIdClaim }: AppIdentity,
): Promise<VerifiedToken> {
  const options = {
    algorithms: algorithms.some((name) => ED25519.includes(name)) ? [...algorithms, ...ED25519] : algorithms,
    clockTolerance: CLOCK_TOLERANCE,
    requiredClaims: ['exp'],
    ...(issuer !== null && { issuer }),
    ...(audience !== null && { audience }),
  };
  const verify = (find: JWTVerifyGetKey) =>
    withEachMatch(find, async (key) => (await jwtVerify(token, key, options)).payload);
  try {
    const claims = await (keys instanceof RemoteKeys ? keys.use(verify) : verify(keys));
    const { exp: expires = Infinity, iat = Infinity } = claims;
    if (!Number.isFinite(expires)) throw new TokenError('the claim "exp" is no time');
    // No cut-off would end a token whose "iat" is in milliseconds.
    const issuedAt = iat <= Date.now() / 1000 + CLOCK_TOLERANCE ? iat : undefined;
    const clientId = clientIdIn(claims, clientIdClaim);
    if (clientId !== undefined) return { clientId, expires, issuedAt };
    throw new TokenError(
      `the claim "${clientIdClaim}" is missing, or neither text nor a whole number up to 2^53 - 1: let the issuer send text`,
    );
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw new TokenError('the token has expired', { cause: error });
    if (error instanceof errors.JOSEError) throw new TokenError(error.message, { cause: error });
    if (isUnusableKey(error)) throw new TokenError(`unusable key: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Where several keys match, as for a token without `kid`, each is tried. */
async function withEachMatch<T>(find: JWTVerifyGetKey, verify: (find: JWTVerifyGetKey) => Promise<T>): Promise<T> {
  try {
    return await verify(find);
  } catch (matches) {
    if (!(matches instanceof errors.JWKSMultipleMatchingKeys)) throw matches;
    for await (const key of matches) {
      try {
        return await verify(() => key);
      } catch (error) {
        const isOtherKeys = error instanceof errors.JWSSignatureVerificationFailed;
        if (!isOtherKeys && !isUnusableKey(error)) throw error;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** Whether jose or Web Crypto refused a key that is too short or malformed. */
function isUnusableKey(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof DOMException;
}

import * as jose from 'jose';
import type { AppIdentity } from '../apps/app-identity.entity.js';
import { RemoteKeys } from './remote-keys.js';

/** Seconds by which the issuer's clock and this one may differ. */
export const CLOCK_TOLERANCE = 30;

/** A token that is not valid. The message is for administrators; callers are told less. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  readonly code = this.cause instanceof jose.errors.JWTExpired ? 'identity_expired' : 'identity_invalid';
}

/**
 * Verifies a JWT (RFC 7519, section 7.2) by an app's settings.
 *
 * @returns its claims.
 * @throws {TokenError} when the token is not valid.
 * @throws {KeysUnavailableError} when the issuer's keys cannot be fetched.
 */
export async function verifyToken(
  token: string,
  keys: RemoteKeys | jose.JWTVerifyGetKey,
  { algorithms, issuer, audience }: AppIdentity,
): Promise<jose.JWTPayload> {
  const options = {
    algorithms,
    clockTolerance: CLOCK_TOLERANCE,
    requiredClaims: ['exp'],
    ...(issuer !== null && { issuer }),
    ...(audience !== null && { audience }),
  };
  const verify = (find: jose.JWTVerifyGetKey) =>
    withEachMatch(find, async (key) => (await jose.jwtVerify(token, key, options)).payload);
  try {
    return await (keys instanceof RemoteKeys ? keys.use(token, verify) : verify(keys));
  } catch (error) {
    throw asTokenError(error);
  }
}

/** Where several keys match, as for a token without `kid`, each is tried. */
async function withEachMatch<T>(
  find: jose.JWTVerifyGetKey,
  verify: (find: jose.JWTVerifyGetKey) => Promise<T>,
): Promise<T> {
  try {
    return await verify(find);
  } catch (matches) {
    if (!(matches instanceof jose.errors.JWKSMultipleMatchingKeys)) throw matches;
    for await (const key of matches) {
      try {
        return await verify(() => key);
      } catch (error) {
        const isOtherKeys = error instanceof jose.errors.JWSSignatureVerificationFailed;
        if (!isOtherKeys && !isUnusableKey(error)) throw error;
      }
    }
    throw new jose.errors.JWSSignatureVerificationFailed();
  }
}

function asTokenError(error: unknown): unknown {
  const { JOSEError, JWTExpired } = jose.errors;
  if (error instanceof JWTExpired) return new TokenError('the token has expired', { cause: error });
  if (error instanceof JOSEError) return new TokenError(error.message, { cause: error });
  if (isUnusableKey(error)) return new TokenError(`unusable key: ${error.message}`, { cause: error });
  return error;
}

/** Whether jose or Web Crypto refused a key that is too short or malformed. */
function isUnusableKey(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof DOMException;
}

import { ProblemError } from '../problems/problem-error.js';
import type { VerifiedToken } from './verify-token.js';

/**
 * Whether a token is from a second before that of a cut-off, or has no `iat` in the past. As `iat` counts in seconds, a token of
 * the same second may have been issued after the cut-off: it counts.
 *
 * @param tokensBefore the cut-off, in seconds since 1970; null: there is none.
 */
export function isRevoked({ issuedAt }: Pick<VerifiedToken, 'issuedAt'>, tokensBefore: number | null): boolean {
  if (tokensBefore === null) return false;
  return issuedAt === undefined || Math.floor(issuedAt) < Math.floor(tokensBefore);
}

/**
 * @param token undefined: the app asks for none.
 * @throws {ProblemError} `identity_revoked`
 */
export function requireNotRevoked(token: VerifiedToken | undefined, tokensBefore: number | null): void {
  if (token === undefined || !isRevoked(token, tokensBefore)) return;
  throw new ProblemError('identity_revoked', 'The token was issued before the tokens of this client were ended.');
}

import type { IncomingMessage } from 'node:http';
import { Problem } from '../operations/problem.js';

/** No honest token comes near it; the rest is not worth the time to look at. */
const MAX_TOKEN_BYTES = 8 * 1024;

/** RFC 6750, section 2.1. The scheme's case does not matter (RFC 9110, section 11.1). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/**
 * The token of a request's `Authorization: Bearer …`.
 *
 * @throws {Problem} `identity_required` without a bearer token; `identity_invalid` when there is more than one header, or the token is malformed
 *   or too long.
 */
export function bearerToken({
  headers,
  rawHeaders,
}: Pick<IncomingMessage, 'headers' | 'rawHeaders'>): string {
  // Node keeps the first of several, another server in the way may have looked at the last.
  if (rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization').length > 1) {
    throw new Problem('identity_invalid', 'There is more than one Authorization header.');
  }
  const { authorization } = headers;
  if (authorization === undefined || !/^bearer(?: |$)/i.test(authorization)) {
    throw new Problem(
      'identity_required',
      'The app asks for "Authorization: Bearer" with a token of the client.',
    );
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined || token.length > MAX_TOKEN_BYTES) {
    throw new Problem('identity_invalid', `The token is malformed, or longer than ${MAX_TOKEN_BYTES} bytes.`);
  }
  return token;
}

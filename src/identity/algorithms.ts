/** HMAC algorithms, with the least length of their keys in bytes (RFC 7518, section 3.2). */
export const HMAC_ALGORITHMS: ReadonlyMap<string, number> = new Map(
  Object.entries({ HS256: 32, HS384: 48, HS512: 64 }),
);

/** RFC 7518, section 3.1, and RFC 8037, section 3.1. */
export const PUBLIC_KEY_ALGORITHMS: ReadonlySet<string> = new Set(
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'.split(' '),
);

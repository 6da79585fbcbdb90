/** HMAC algorithms, with the least length of their keys in bytes (RFC 7518, section 3.2). */
export const HMAC_ALGORITHMS: ReadonlyMap<string, number> = new Map(
  Object.entries({ HS256: 32, HS384: 48, HS512: 64 }),
);

/** Two names of one algorithm: RFC 8037, section 3.1, and RFC 9864, section 2.2, which is to replace it. */
export const ED25519: readonly string[] = ['EdDSA', 'Ed25519'];

/** RFC 7518, section 3.1, and `ED25519`. */
export const PUBLIC_KEY_ALGORITHMS: ReadonlySet<string> = new Set([
  ...'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512'.split(' '),
  ...ED25519,
]);

/**
 * The client id in a token's claims.
 *
 * @param claim a claim's name, which may hold dots (RFC 7519, section 4.2), or else a path with dots into objects.
 * @returns a string as it is, a whole number as decimal text; undefined when the claim is missing or anything else. Numbers that
 *   JavaScript cannot hold exactly do not count: two of them could become one id.
 */
export function clientIdIn(claims: object, claim: string): string | undefined {
  const path = Object.hasOwn(claims, claim) ? [claim] : claim.split('.');
  const value = path.reduce<unknown>(member, claims);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined;
  return typeof value === 'string' ? value : undefined;
}

function member(of: unknown, name: string): unknown {
  if (typeof of !== 'object' || of === null || Array.isArray(of)) return undefined;
  return Object.hasOwn(of, name) ? (of as Record<string, unknown>)[name] : undefined;
}

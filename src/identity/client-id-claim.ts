/**
 * The client id in a token's claims.
 *
 * @param claim a claim's name, or a path with dots into objects; a claim whose name is the whole text comes first, since
 *   names may hold dots themselves (RFC 7519, section 4.2, lets them be URIs).
 * @returns the claim's text, or a whole number's decimal text; undefined when the claim is missing or anything else. Numbers that
 *   JavaScript cannot hold exactly are anything else: two different ones would look alike.
 */
export function clientIdIn(claims: object, claim: string): string | undefined {
  const path = Object.hasOwn(claims, claim) ? [claim] : claim.split('.');
  const value = path.reduce<unknown>(member, claims);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined;
  return typeof value === 'string' ? value : undefined;
}

function member(of: unknown, name: string): unknown {
  if (typeof of !== 'object' || of === null || Array.isArray(of) || !Object.hasOwn(of, name)) {
    return undefined;
  }
  return (of as Record<string, unknown>)[name];
}

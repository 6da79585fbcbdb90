import { readFile } from 'node:fs/promises';
import type { JSONWebKeySet } from 'jose';
import type { AppIdentity } from '../apps/app-identity.entity.js';
import { HMAC_ALGORITHMS } from './algorithms.js';
import { parseKeySet } from './fetch-key-set.js';

/** What of an app's identity settings may be given; one kind of key takes the place of another. */
export type IdentityChange = Partial<Omit<AppIdentity, 'appId'>>;

const NONE = {
  issuer: null,
  audience: null,
  clientIdClaim: 'sub',
  algorithms: [],
  jwksUri: null,
  jwks: null,
  sealedHmacSecret: null,
};

/** The settings that a change makes of those there are, or of none. */
export function changedIdentity(
  appId: string,
  present: AppIdentity | null,
  change: IdentityChange,
): AppIdentity {
  const { jwksUri = null, jwks = null, sealedHmacSecret = null } = change;
  const isNewKey = (jwksUri ?? jwks ?? sealedHmacSecret) !== null;
  return Object.assign({ ...NONE, appId }, present, change, isNewKey && { jwksUri, jwks, sealedHmacSecret });
}

/**
 * Why settings verify no token, if so: a key or the algorithms are missing, or they do not fit each other.
 *
 * @param options how the settings are called where they are given.
 */
export function misfit({ algorithms, jwksUri, jwks, sealedHmacSecret }: AppIdentity): string | undefined {
  if ((jwksUri ?? jwks ?? sealedHmacSecret) === null) {
    return 'identity jwt needs one of --jwks-uri, --jwks-file and --hmac-secret';
  }
  if (algorithms.length === 0) return 'identity jwt needs --algorithms, such as RS256';
  const shared = sealedHmacSecret !== null;
  const wrong = algorithms.find((name) => HMAC_ALGORITHMS.has(name) !== shared);
  if (wrong === undefined) return undefined;
  return `${wrong} does not go with ${shared ? 'a shared secret' : 'public keys'}: give --algorithms that do`;
}

/** @throws {Error} when a shared secret is too short for the algorithms (RFC 7518, section 3.2). */
export function requireLongEnough(secret: string, algorithms: readonly string[]): void {
  const bytes = Buffer.byteLength(secret);
  const least = Math.max(...algorithms.map((name) => HMAC_ALGORITHMS.get(name) ?? 0));
  if (bytes >= least) return;
  throw new Error(
    `the HMAC secret has ${bytes} bytes; ${algorithms.join(',')} takes ${least} or more (RFC 7518, 3.2)`,
  );
}

/** Reads a JWK Set of public keys from a file. @throws {Error} that names the file and says what is wrong with it. */
export async function readKeySet(file: string): Promise<JSONWebKeySet> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`, {
      cause: error,
    });
  }
  try {
    const set = parseKeySet(text);
    if (set.keys.length === 0) throw new Error('it holds no key');
    return set;
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

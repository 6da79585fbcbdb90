import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import type { JSONWebKeySet } from 'jose';
import type { AppIdentity } from '../apps/app-identity.entity.js';
import { HMAC_ALGORITHMS } from './algorithms.js';
import { parseKeySet } from './fetch-key-set.js';

const NO_KEY = { jwksUri: null, jwks: null, sealedHmacSecret: null };
const DEFAULTS = { issuer: null, audience: null, clientIdClaim: 'sub', algorithms: [], ...NO_KEY };

/** An app's present settings, or the defaults, with a change applied. A new key replaces one of another kind. */
export function changedIdentity(
  appId: string,
  present: AppIdentity | null,
  change: Partial<Omit<AppIdentity, 'appId'>>,
): AppIdentity {
  const hasNewKey = (change.jwksUri ?? change.jwks ?? change.sealedHmacSecret ?? null) !== null;
  return Object.assign({ ...DEFAULTS, appId }, present, hasNewKey && NO_KEY, change);
}

/** Why settings can verify no token, in terms of the command's options; undefined when they can. */
export function misfit({ algorithms, jwksUri, jwks, sealedHmacSecret }: AppIdentity): string | undefined {
  if ((jwksUri ?? jwks ?? sealedHmacSecret) === null) {
    return 'identity jwt needs one of --jwks-uri, --jwks-file and --hmac-secret';
  }
  if (algorithms.length === 0) return 'identity jwt needs --algorithms, such as RS256';
  const isSymmetric = sealedHmacSecret !== null;
  const wrong = algorithms.find((name) => HMAC_ALGORITHMS.has(name) !== isSymmetric);
  if (wrong === undefined) return undefined;
  return `${wrong} does not go with ${isSymmetric ? 'a shared secret' : 'public keys'}: give --algorithms that do`;
}

export type SecretEncoding = 'utf8' | 'base64' | 'base64url';

/** RFC 4648; padding may be missing, and the last digit may have bits that belong to no byte (section 3.5), as in a text that was typed. */
const ENCODED = {
  utf8: /^/,
  base64: /^([A-Za-z\d+/]{4})*([A-Za-z\d+/]{2,3})?={0,2}$/,
  base64url: /^([\w-]{4})*([\w-]{2,3})?={0,2}$/,
};

/** The bytes of a shared secret. @throws {Error} when the text is not in the encoding. */
export function decodeSecret(text: string, encoding: SecretEncoding): Buffer {
  // Node ignores what does not belong to an encoding.
  if (ENCODED[encoding].test(text)) return Buffer.from(text, encoding);
  throw new Error(`the HMAC secret is not ${encoding}`);
}

/** @throws {Error} when a shared secret is too short for one of the algorithms (RFC 7518, section 3.2). */
export function requireLongEnough({ length: bytes }: Buffer, algorithms: readonly string[]): void {
  const least = Math.max(...algorithms.map((name) => HMAC_ALGORITHMS.get(name) ?? 0));
  if (bytes < least) {
    throw new Error(`the HMAC secret has ${bytes} bytes; ${algorithms.join(',')} takes ${least} or more`);
  }
}

/** Reads a JWK Set of public keys from a file. @throws {Error} that names the file and the fault. */
export async function readKeySet(file: string): Promise<JSONWebKeySet> {
  try {
    const bytes = await readFile(file);
    if (!isUtf8(bytes)) throw new Error('not UTF-8');
    const { keys, ignored } = parseKeySet(bytes.toString());
    if (ignored > 0) throw new Error(`${ignored} of its keys are no public keys`);
    return { keys };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const fault = code === undefined ? `${file}: ${message}` : `${file} cannot be read (${code})`;
    throw new Error(fault, { cause: error });
  }
}

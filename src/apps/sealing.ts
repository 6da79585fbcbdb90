import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { EMBEDDED_KEY_PREFIX, type SealingKeys } from '../config/secrets-key.js';

/** AES-256-GCM (NIST SP 800-38D): a nonce of 96 bits and a tag of 128 bits. */
const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** `v1.<id of the sealing key>.<base64url of nonce, ciphertext and tag>` */
const SEALED = /^v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]+)$/;

/** The additional data of a sealed value: copied to another app or version, it cannot be decrypted. */
export type SealPurpose = `master-key:${string}:${number}` | `hmac-secret:${string}`;

/** The purpose of one version of an app's master key. An app id holds no ":", so no two purposes are equal. */
export function masterKeyPurpose(appId: string, version: number): SealPurpose {
  return `master-key:${appId}:${version}`;
}

/** The purpose of the secret that signs an app's tokens. */
export function hmacSecretPurpose(appId: string): SealPurpose {
  return `hmac-secret:${appId}`;
}

/** A sealed value cannot be decrypted. The message says why and holds neither the value nor a key. */
export class SealError extends Error {}

/** Encrypts a text, as UTF-8, or bytes with the first of the keys and a random nonce. */
export function seal(plain: string | Buffer, purpose: SealPurpose, keys: SealingKeys): string {
  const [entry] = keys;
  if (entry === undefined) throw new SealError('there is no sealing key');
  const [id, key] = entry;
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(Buffer.from(purpose));
  const sealed = Buffer.concat([
    iv,
    cipher.update(typeof plain === 'string' ? Buffer.from(plain) : plain),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return `v1.${id}.${sealed.toString('base64url')}`;
}

/** The id of the key that a value was sealed with. @throws {SealError} when the text is not a sealed value. */
export function sealingKeyId(sealed: string): string {
  return parse(sealed).id;
}

/** Decrypts what `seal` made for the same purpose, with whichever of the keys made it. @throws {SealError} */
export function open(sealed: string, purpose: SealPurpose, keys: SealingKeys): Buffer {
  const { id, bytes } = parse(sealed);
  const key = keys.get(id);
  if (key === undefined) throw new SealError(missingKey(id, [...keys.keys()]));
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, IV_BYTES))
    .setAAD(Buffer.from(purpose))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    throw new SealError(
      `cannot decrypt with key "${id}": wrong SECRETS_KEY, copied from another app or version, or corrupted`,
    );
  }
}

/** @param held the ids of the keys that are there. */
function missingKey(id: string, held: readonly string[]): string {
  const missing = `sealed with key "${id}", this environment has only ${held.map((name) => `"${name}"`).join(', ')}: `;
  if (!id.startsWith(EMBEDDED_KEY_PREFIX)) return `${missing}SECRETS_KEY must hold it with its id, ${id}:<base64>`;
  const to = held.find((name) => !name.startsWith(EMBEDDED_KEY_PREFIX)) ?? '<id>';
  const reseal = `im-signature secrets reseal --from ${id} --to ${to}`;
  return (
    `${missing}it is kept with the embedded database of another machine. There, set the SECRETS_KEY of this environment, ` +
    `run "${reseal}", and commit the migration that it writes`
  );
}

function parse(sealed: string): { id: string; bytes: Buffer } {
  const [, id, encoded = ''] = SEALED.exec(sealed) ?? [];
  const bytes = Buffer.from(encoded, 'base64url');
  if (id === undefined || bytes.length < IV_BYTES + TAG_BYTES) throw new SealError('not a sealed value');
  return { id, bytes };
}

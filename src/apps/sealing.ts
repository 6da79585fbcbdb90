import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { SealingKeys } from '../config/secrets-key.js';

/** AES-256-GCM (NIST SP 800-38D): a nonce of 96 bits and a tag of 128 bits. */
const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** `v1.<id of the sealing key>.<base64url of nonce, ciphertext and tag>` */
const SEALED = /^v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]+)$/;

/** What a sealed value is for. It is bound to the value: sealed for one purpose, it does not open for another. */
export type SealPurpose = `master-key:${string}:${number}` | `hmac-secret:${string}`;

/** The purpose of an app's master key of one version; an app id holds no ":", so no two purposes read the same. */
export function masterKeyPurpose(appId: string, version: number): SealPurpose {
  return `master-key:${appId}:${version}`;
}

/** The purpose of the secret that an app's tokens are signed with. */
export function hmacSecretPurpose(appId: string): SealPurpose {
  return `hmac-secret:${appId}`;
}

/** A sealed value that does not open. The message says why and holds neither the value nor a key. */
export class SealError extends Error {}

/** Seals a text under the first of the keys. Two seals of one text differ. */
export function seal(plain: string, purpose: SealPurpose, keys: SealingKeys): string {
  const [entry] = keys;
  if (entry === undefined) throw new SealError('there is no sealing key');
  const [id, key] = entry;
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(Buffer.from(purpose));
  const sealed = Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `v1.${id}.${sealed.toString('base64url')}`;
}

/** The id of the key that a value was sealed with. @throws {SealError} when the text is no sealed value. */
export function sealingKeyId(sealed: string): string {
  return parse(sealed).id;
}

/**
 * Opens what `seal` made for the same purpose.
 *
 * @throws {SealError} when the text is no sealed value, its key is not configured, or it was changed or sealed for another purpose.
 */
export function open(sealed: string, purpose: SealPurpose, keys: SealingKeys): string {
  const { id, bytes } = parse(sealed);
  const key = keys.get(id);
  if (key === undefined) {
    throw new SealError(`it is sealed with the key "${id}", which SECRETS_KEY does not hold`);
  }
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, IV_BYTES))
    .setAAD(Buffer.from(purpose))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    throw new SealError(`it does not open with the key "${id}": another key, another place, or it was changed`);
  }
}

function parse(sealed: string): { id: string; bytes: Buffer } {
  const match = SEALED.exec(sealed);
  const bytes = Buffer.from(match?.[2] ?? '', 'base64url');
  if (match?.[1] === undefined || bytes.length < IV_BYTES + TAG_BYTES) {
    throw new SealError('it is not a sealed value');
  }
  return { id: match[1], bytes };
}

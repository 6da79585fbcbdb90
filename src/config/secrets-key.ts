import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The size of an AES-256 key. */
const KEY_BYTES = 32;
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{43}=$/;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
const DEFAULT_KEY_ID = 'default';
/** How the id of a key begins that was made for an embedded database. */
export const EMBEDDED_KEY_PREFIX = 'embedded-';

/** The keys that seal secrets at rest, by id, in the order of `SECRETS_KEY`: the first one seals, each of them opens. */
export type SealingKeys = ReadonlyMap<string, Buffer>;

/**
 * Parses `SECRETS_KEY`: one key as base64 of 32 bytes, or several as `id:base64` separated by commas. Blanks and line breaks around
 * them, as a file has that a secret is made from, do not count.
 *
 * @throws {Error} that says what is wrong and never repeats any part of a key.
 */
export function parseSecretsKey(text: string): SealingKeys {
  const entries = text.trim();
  if (entries === '') throw new Error('is empty; make a key with "im-signature secrets new"');
  const keys = new Map<string, Buffer>();
  for (const [index, entry] of entries.split(',').entries()) {
    const colon = entry.indexOf(':');
    const id = colon < 0 ? DEFAULT_KEY_ID : entry.slice(0, colon);
    const encoded = entry.slice(colon + 1);
    const place = `entry ${index + 1}`;
    if (!KEY_ID.test(id)) throw new Error(`${place}: a key id is 1 to 32 characters of A-Z a-z 0-9 _ -`);
    if (!BASE64_OF_32_BYTES.test(encoded)) {
      throw new Error(`${place}: not the base64 of ${KEY_BYTES} bytes (44 characters, the last one =)`);
    }
    if (keys.has(id)) throw new Error(`${place}: duplicate key id "${id}"`);
    keys.set(id, Buffer.from(encoded, 'base64'));
  }
  return keys;
}

/** A new random key with an id of its own, as `SECRETS_KEY` takes it: `k20261126-3f9a:<base64>`. */
export function newSecretsKey(idPrefix = `k${new Date().toISOString().slice(0, 10).replaceAll('-', '')}-`): string {
  return `${idPrefix}${randomBytes(2).toString('hex')}:${randomBytes(KEY_BYTES).toString('base64')}`;
}

type KeySettings = Readonly<{ databaseUrl: string | undefined; dataDir: string; sealingKeys: SealingKeys | undefined }>;

/**
 * The keys of `SECRETS_KEY` and, for an embedded database, after them the one that is kept in its folder: what that sealed before there
 * was a `SECRETS_KEY` still opens. Without `SECRETS_KEY` it is made where it is missing.
 *
 * @throws {Error} when the kept key cannot be read or made.
 */
export function loadSealingKeys({ databaseUrl, dataDir, sealingKeys }: KeySettings): SealingKeys {
  const file = keyFile(dataDir);
  if (sealingKeys !== undefined && (databaseUrl !== undefined || !existsSync(file))) return sealingKeys;
  const keys = new Map(sealingKeys);
  for (const [id, key] of loadOrCreateKept(dataDir, file)) if (!keys.has(id)) keys.set(id, key);
  return keys;
}

/** Where the key of an embedded database is kept. */
export function keyFile(dataDir: string): string {
  return join(dataDir, 'secrets.key');
}

function loadOrCreateKept(dataDir: string, file: string): SealingKeys {
  if (!existsSync(file)) createKeyFile(dataDir, file);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw dataDirError(`${file} cannot be read`, error);
  }
  try {
    return parseSecretsKey(text);
  } catch (error) {
    throw new Error(`${file} holds no key: ${(error as Error).message}`, { cause: error });
  }
}

/** Links a complete file into place: unlike a rename, that never replaces the key which another process has just created. */
function createKeyFile(dataDir: string, file: string): void {
  const draft = `${file}.${randomUUID()}`;
  try {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(draft, `${newSecretsKey(EMBEDDED_KEY_PREFIX)}\n`, { mode: 0o600, flush: true });
  } catch (error) {
    if (existsSync(draft)) rmSync(draft);
    throw dataDirError(`${resolve(dataDir)} cannot be written`, error);
  }
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
}

function dataDirError(fault: string, error: unknown): Error {
  const who = `user id ${process.getuid?.() ?? 'unknown'} (${(error as NodeJS.ErrnoException).code ?? ''})`;
  const remedy = 'make that possible, choose another DATA_DIR, or set DATABASE_URL';
  return new Error(`DATA_DIR: ${fault} by ${who}; ${remedy}`, { cause: error });
}

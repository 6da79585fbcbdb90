import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The size of an AES-256 key. */
const KEY_BYTES = 32;
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{43}=$/;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
const DEFAULT_KEY_ID = 'default';

/** The keys that seal secrets at rest, by id, in the order of `SECRETS_KEY`: the first one seals, each of them opens. */
export type SealingKeys = ReadonlyMap<string, Buffer>;

/**
 * Parses `SECRETS_KEY`: one key as base64 of 32 bytes, or several as `id:base64` separated by commas.
 *
 * @throws {Error} that says what is wrong and never repeats any part of a key.
 */
export function parseSecretsKey(text: string): SealingKeys {
  const keys = new Map<string, Buffer>();
  for (const [index, entry] of text.split(',').entries()) {
    const colon = entry.indexOf(':');
    const id = colon < 0 ? DEFAULT_KEY_ID : entry.slice(0, colon);
    const encoded = entry.slice(colon + 1);
    const place = `entry ${index + 1}`;
    if (!KEY_ID.test(id)) throw new Error(`${place}: a key id is 1 to 32 characters of A-Z a-z 0-9 _ -`);
    if (keys.has(id)) throw new Error(`${place}: duplicate key id "${id}"`);
    if (!BASE64_OF_32_BYTES.test(encoded)) {
      throw new Error(`${place}: not the base64 of ${KEY_BYTES} bytes (44 characters, the last one =)`);
    }
    keys.set(id, Buffer.from(encoded, 'base64'));
  }
  return keys;
}

/** A new random key, as `SECRETS_KEY` takes it. */
export function newSecretsKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

/**
 * The sealing key of an embedded database, from `secrets.key` in `dataDir`; creates the file, with mode 0600, where there is none.
 *
 * @throws {Error} when the file cannot be read or created, or holds no key.
 */
export function loadOrCreateSealingKeys(dataDir: string): SealingKeys {
  const file = join(dataDir, 'secrets.key');
  try {
    if (!existsSync(file)) createKeyFile(dataDir, file);
    return parseSecretsKey(readFileSync(file, 'utf8').trim());
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** Links a complete file into place: unlike a rename, that never replaces the key which another process has just created. */
function createKeyFile(dataDir: string, file: string): void {
  mkdirSync(dataDir, { recursive: true });
  const draft = `${file}.${randomUUID()}`;
  try {
    writeFileSync(draft, `${newSecretsKey()}\n`, { mode: 0o600, flush: true });
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

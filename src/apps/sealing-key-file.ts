import { randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newSecretsKey, parseSecretsKey, type SealingKeys } from '../config/secrets-key.js';
import { SettingsError } from '../config/settings.js';

/**
 * The sealing key of an embedded database, from `secrets.key` in `dataDir`; creates the file, with mode 0600, where there is none.
 *
 * @throws {SettingsError} when the file cannot be read or created, or holds no key.
 */
export function loadOrCreateSealingKeys(dataDir: string): SealingKeys {
  const file = join(dataDir, 'secrets.key');
  try {
    if (!existsSync(file)) create(file);
    return parseSecretsKey(readFileSync(file, 'utf8').trim());
  } catch (error) {
    throw new SettingsError([`${file}: ${(error as Error).message}`]);
  }
}

/** Links a complete file into place: unlike a rename, that never replaces the key which another process has just created. */
function create(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
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

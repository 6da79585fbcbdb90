import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newSecretsKey, parseSecretsKey, type SealingKeys } from '../config/secrets-key.js';
import { SettingsError } from '../config/settings.js';

/**
 * The sealing key kept in `dataDir` beside the embedded database; made, readable by its owner only, when there is none yet.
 *
 * @throws {SettingsError} when the file holds something else.
 */
export function keptSealingKeys(dataDir: string): SealingKeys {
  const file = join(dataDir, 'secrets.key');
  try {
    return parseSecretsKey(readOrMake(file).trim());
  } catch (error) {
    throw new SettingsError([`${file}: ${(error as Error).message}`]);
  }
}

function readOrMake(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  mkdirSync(join(file, '..'), { recursive: true });
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, `${newSecretsKey()}\n`, { mode: 0o600, flush: true });
  try {
    // Unlike a rename, a link never replaces what another start has just made.
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return readFileSync(file, 'utf8');
}

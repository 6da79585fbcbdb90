import type { DataSource } from 'typeorm';
import { AppIdentity } from '../apps/app-identity.entity.js';
import { AppMasterKey } from '../apps/app-master-key.entity.js';
import { keptSealingKeys } from '../apps/kept-sealing-key.js';
import { App } from '../apps/app.entity.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { loadSettings, type Settings } from '../config/settings.js';
import { adminOptions, connect } from '../database/data-source.js';
import type { Io } from './io.js';

/** What an administrator's command works with. */
export interface Admin {
  readonly dataSource: DataSource;
  readonly settings: Settings;
  readonly sealingKeys: SealingKeys;
}

/** Works with the URL of the configured database, or of the embedded one, which runs at least until the work is done. */
export async function withDatabaseUrl<T>(
  { databaseUrl, dataDir }: Settings,
  work: (url: string) => Promise<T>,
): Promise<T> {
  if (databaseUrl !== undefined) return work(databaseUrl);
  const { holdEmbeddedPostgres } = await import('../database/embedded/embedded-postgres.js');
  const held = await holdEmbeddedPostgres(dataDir);
  try {
    return await work(held.url);
  } finally {
    await held.release();
  }
}

/** Works on a connection to the database. */
export async function withAdmin<T>(io: Io, work: (admin: Admin) => Promise<T>): Promise<T> {
  const settings = loadSettings(io.env);
  const sealingKeys = settings.sealingKeys ?? keptSealingKeys(settings.dataDir);
  return withDatabaseUrl(settings, async (url) => {
    const dataSource = await connect({ ...adminOptions(url), entities: [App, AppMasterKey, AppIdentity] });
    try {
      return await work({ dataSource, settings, sealingKeys });
    } finally {
      await dataSource.destroy();
    }
  });
}

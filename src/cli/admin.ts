import type { Client } from 'pg';
import type { DataSource } from 'typeorm';
import type { AppRecords } from '../apps/app-records.js';
import type { AppRegistrations } from '../apps/app-registrations.js';
import type { SealingKeys } from '../config/secrets-key.js';
import type { Settings } from '../config/settings.js';
import type { Io } from './io.js';

/** What a command works with. */
export interface Admin {
  readonly dataSource: DataSource;
  readonly apps: AppRecords;
  readonly registrations: AppRegistrations;
  readonly sealingKeys: SealingKeys;
  /** The variable that gives them, or would. */
  readonly sealingKeysVariable: Settings['sealingKeysVariable'];
  /** Whether the database is the embedded one. */
  readonly embedded: boolean;
  /** The file of the key that seals where there is no `SECRETS_KEY`, which only an embedded database allows. */
  readonly embeddedKeyFile: string | undefined;
  /** Works on a connection outside the pool, for COPY. */
  readonly withOwnConnection: <T>(work: (client: Client) => Promise<T>) => Promise<T>;
}

/** Works with the URL of the configured database, or of the embedded one, which runs at least until the work is done. */
export async function withDatabaseUrl<T>(io: Io, work: (url: string, settings: Settings) => Promise<T>): Promise<T> {
  const { loadSettings } = await import('../config/settings.js');
  const settings = loadSettings(io.env);
  if (settings.databaseUrl !== undefined) return work(settings.databaseUrl, settings);
  const { holdEmbeddedPostgres } = await import('../database/embedded/embedded-postgres.js');
  const held = await holdEmbeddedPostgres(settings.dataDir);
  try {
    return await work(held.url, settings);
  } finally {
    await held.release();
  }
}

/**
 * Works on a connection to the database. What this takes is loaded here, so that help and errors of usage, which need none of it,
 * come at once.
 */
export async function withAdmin<T>(io: Io, work: (admin: Admin) => Promise<T>): Promise<T> {
  return withDatabaseUrl(io, (url, settings) => connectAdmin(url, settings, work));
}

export async function connectAdmin<T>(url: string, settings: Settings, work: (admin: Admin) => Promise<T>): Promise<T> {
  const { adminOptions, connect, withOwnConnection } = await import('../database/data-source.js');
  const { APP_ENTITIES, AppRecords } = await import('../apps/app-records.js');
  const { AppRegistrations } = await import('../apps/app-registrations.js');
  const { keyFile, loadSealingKeys } = await import('../config/secrets-key.js');
  const dataSource = await connect({ ...adminOptions(url), entities: APP_ENTITIES });
  const apps = new AppRecords(dataSource);
  try {
    return await work({
      dataSource,
      apps,
      registrations: new AppRegistrations(dataSource, apps, settings.migrationsDir),
      sealingKeys: loadSealingKeys(settings),
      sealingKeysVariable: settings.sealingKeysVariable,
      embedded: settings.databaseUrl === undefined,
      embeddedKeyFile: settings.sealingKeys === undefined ? keyFile(settings.dataDir) : undefined,
      withOwnConnection: (onClient) => withOwnConnection(url, onClient),
    });
  } finally {
    await dataSource.destroy();
  }
}

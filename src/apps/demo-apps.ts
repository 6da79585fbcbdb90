import type { DataSource, EntityManager } from 'typeorm';
import type { SealingKeys } from '../config/secrets-key.js';
import type { Identity } from './app.entity.js';
import { masterKeyPurpose, seal } from './sealing.js';

export const DEMO_APP_IDS = ['1', '2'] as const;

/** Public on purpose, so that anyone can recompute a signature. */
export const DEMO_MASTER_KEY = 'demo-master-key';

/** The name of a demo app, before its id. */
const DEMO_NAME = 'Demo app ';

/** Makes the open demo apps that do not exist yet. Only ever called for an embedded database. */
export async function makeDemoApps(dataSource: DataSource, keys: SealingKeys): Promise<void> {
  for (const appId of DEMO_APP_IDS) await makeDemoApp(dataSource.manager, keys, appId, 'none');
}

/** @returns false when an app with this id exists already; it stays as it is. */
export async function makeDemoApp(manager: EntityManager, keys: SealingKeys, appId: string, identity: Identity) {
  const made: unknown[] = await manager.query(
    `WITH app AS (INSERT INTO apps (app_id, name, identity) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING app_id)
     INSERT INTO app_master_keys (app_id, version, sealed_key) SELECT app_id, 1, $4 FROM app RETURNING app_id`,
    [appId, DEMO_NAME + appId, identity, seal(DEMO_MASTER_KEY, masterKeyPurpose(appId, 1), keys)],
  );
  return made.length > 0;
}

/** Those of the ids that belong to demo apps, and not to a registered app of the same id. */
export async function demoAppsAmong(dataSource: DataSource, appIds: readonly string[]): Promise<string[]> {
  const rows: { app_id: string }[] = await dataSource.query(
    'SELECT app_id FROM apps WHERE app_id = ANY($1) AND name = $2 || app_id ORDER BY app_id',
    [appIds, DEMO_NAME],
  );
  return rows.map(({ app_id }) => app_id);
}

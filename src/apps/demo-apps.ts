import type { DataSource, EntityManager } from 'typeorm';
import type { SealingKeys } from '../config/secrets-key.js';
import type { Identity } from './app.entity.js';
import { masterKeyPurpose, seal } from './sealing.js';

export const DEMO_APP_IDS = ['1', '2'] as const;

/** Public on purpose: it is for trying the service out, so that anyone can recompute a signature. */
export const DEMO_MASTER_KEY = 'demo-master-key';

/** What the name of a demo app begins with; its id follows. */
const DEMO_NAME = 'Demo app ';

/** Makes the demo apps that are not there yet; what is there stays as it is. Only ever called for an embedded database. */
export async function makeDemoApps(dataSource: DataSource, keys: SealingKeys): Promise<void> {
  for (const appId of DEMO_APP_IDS) {
    await dataSource.transaction(async (transaction) => makeDemoApp(transaction, keys, appId, 'none'));
  }
}

/** Those of the apps that are the demo's, and not somebody's with the same id. */
export async function demoAppsAmong(dataSource: DataSource, appIds: readonly string[]): Promise<string[]> {
  const rows: { app_id: string }[] = await dataSource.query(
    'SELECT app_id FROM apps WHERE app_id = ANY($1) AND name = $2 || app_id ORDER BY app_id',
    [appIds, DEMO_NAME],
  );
  return rows.map(({ app_id }) => app_id);
}

/** @returns whether the app was made now. */
export async function makeDemoApp(
  transaction: EntityManager,
  keys: SealingKeys,
  appId: string,
  identity: Identity,
): Promise<boolean> {
  const made: unknown[] = await transaction.query(
    'INSERT INTO apps (app_id, name, identity) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING app_id',
    [appId, DEMO_NAME + appId, identity],
  );
  if (made.length === 0) return false;
  await transaction.query('INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ($1, 1, $2)', [
    appId,
    seal(DEMO_MASTER_KEY, masterKeyPurpose(appId, 1), keys),
  ]);
  return true;
}

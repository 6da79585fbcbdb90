import { parseSecretsKey } from '../../src/config/secrets-key.js';
import { adminOptions, connect } from '../../src/database/data-source.js';
import { makeDemoApps } from '../../src/demo.js';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { BANNED, SECRETS_KEY } from './postgres-server.js';

/** A database with the demo apps, sealed with `SECRETS_KEY`, and the banned client of app 1. */
export async function makeDemoDatabase(): Promise<TestDatabase> {
  const database = await makeDatabase('migrated');
  const dataSource = await connect(adminOptions(database.url));
  await makeDemoApps(dataSource, parseSecretsKey(SECRETS_KEY));
  await dataSource.destroy();
  await database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('1', $1)`, [BANNED]);
  return database;
}

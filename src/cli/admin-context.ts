import type { DataSource, Repository } from 'typeorm';
import { AppMasterKey } from '../apps/app-master-key.entity.js';
import { AppRegistry } from '../apps/app-registry.js';
import { App } from '../apps/app.entity.js';
import { keptSealingKeys } from '../apps/kept-sealing-key.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { loadSettings } from '../config/settings.js';
import { AppIdentity } from '../identity/app-identity.entity.js';
import { ChangeFeed } from '../database/change-feed.js';
import { adminOptions, connect } from '../database/data-source.js';
import { DatabaseServer } from '../database/database-server.js';

/** What an administrator's command works with. */
export interface Admin {
  readonly dataSource: DataSource;
  readonly sealingKeys: SealingKeys;
  readonly registry: AppRegistry;
  readonly identities: Repository<AppIdentity>;
  /** One that hears nothing, so that nothing is remembered. */
  readonly feed: ChangeFeed;
}

/** Works with the URL of the configured database, or of the embedded one, which runs at least until the work is done. */
export async function withDatabaseUrl<T>(work: (url: string) => Promise<T>): Promise<T> {
  const server = new DatabaseServer(loadSettings());
  try {
    return await work(await server.url());
  } finally {
    await server.onApplicationShutdown();
  }
}

export async function withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const settings = loadSettings();
  const sealingKeys = settings.sealingKeys ?? keptSealingKeys(settings.dataDir);
  return withDatabaseUrl(async (url) => {
    const dataSource = await connect({
      ...adminOptions(url),
      entities: [App, AppMasterKey, AppIdentity],
    });
    const feed = new ChangeFeed(dataSource);
    try {
      return await work({
        dataSource,
        feed,
        sealingKeys,
        registry: new AppRegistry(dataSource.getRepository(App), sealingKeys, feed),
        identities: dataSource.getRepository(AppIdentity),
      });
    } finally {
      await dataSource.destroy();
    }
  });
}

export async function requireApp({ registry }: Admin, appId: string): Promise<App> {
  const app = await registry.lookUp(appId);
  if (app === undefined) {
    throw new Error(`no app "${appId}" is registered: "im-signature app list" shows which are`);
  }
  return app;
}

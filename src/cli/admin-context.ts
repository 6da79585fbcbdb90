import type { DataSource, Repository } from 'typeorm';
import { AppIdentity } from '../apps/app-identity.entity.js';
import { AppMasterKey } from '../apps/app-master-key.entity.js';
import { App } from '../apps/app.entity.js';
import { keptSealingKeys } from '../apps/kept-sealing-key.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { loadSettings } from '../config/settings.js';
import { adminOptions, connect } from '../database/data-source.js';
import { DatabaseServer } from '../database/database-server.js';

/** What an administrator's command works with. */
export interface Admin {
  readonly dataSource: DataSource;
  readonly sealingKeys: SealingKeys;
  readonly apps: Repository<App>;
  readonly identities: Repository<AppIdentity>;
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
    try {
      return await work({
        dataSource,
        sealingKeys,
        apps: dataSource.getRepository(App),
        identities: dataSource.getRepository(AppIdentity),
      });
    } finally {
      await dataSource.destroy();
    }
  });
}

/** Every app with all versions of its key. */
export async function allApps({ apps }: Admin): Promise<App[]> {
  return apps.find({ relations: { masterKeys: true }, order: { appId: 'ASC' } });
}

/** The app, disabled or not, with all versions of its key. */
export async function findApp({ apps }: Admin, appId: string): Promise<App | null> {
  return apps.findOne({ where: { appId }, relations: { masterKeys: true } });
}

export async function requireApp(admin: Admin, appId: string): Promise<App> {
  const app = await findApp(admin, appId);
  if (app === null) {
    throw new Error(`no app "${appId}" is registered: "im-signature app list" shows which are`);
  }
  return app;
}

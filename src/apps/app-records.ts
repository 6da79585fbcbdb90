import type { DataSource, FindManyOptions, ObjectLiteral } from 'typeorm';
import type { Row } from '../database/registrations.js';
import { AppIdentity } from './app-identity.entity.js';
import { AppMasterKey } from './app-master-key.entity.js';
import { requireRegistered } from './app-report.js';
import { App } from './app.entity.js';

/** The entities of this room. */
export const APP_ENTITIES = [App, AppMasterKey, AppIdentity];

/** Each app with all versions of its key, in the order in which they begin to sign. */
const WITH_KEYS = {
  relations: { masterKeys: true },
  order: { appId: 'ASC', masterKeys: { activeFrom: 'ASC', version: 'ASC' } },
} as const satisfies FindManyOptions<App>;

/** The registered apps, disabled ones included, read anew at each call. */
export class AppRecords {
  constructor(private readonly dataSource: DataSource) {}

  async all(): Promise<App[]> {
    return this.dataSource.getRepository(App).find(WITH_KEYS);
  }

  async find(appId: string): Promise<App | null> {
    return this.dataSource.getRepository(App).findOne({ ...WITH_KEYS, where: { appId } });
  }

  /** @throws {Error} when no such app is registered. */
  async require(appId: string): Promise<App> {
    return requireRegistered(appId, await this.find(appId));
  }

  /** For how many whole days an app has been in shadow mode; null: it is not. */
  async daysInShadow(appId: string): Promise<number | null> {
    const [row] = await this.dataSource.query<{ days: number }[]>(
      `SELECT floor(extract(epoch FROM now() - membership_mode_since) / 86400)::integer AS days
      FROM apps WHERE app_id = $1 AND membership <> 'off' AND membership_mode = 'shadow'`,
      [appId],
    );
    return row?.days ?? null;
  }

  /** The identity settings of every app that has some. */
  async identities(): Promise<AppIdentity[]> {
    return this.dataSource.getRepository(AppIdentity).find({ order: { appId: 'ASC' } });
  }

  async identity(appId: string): Promise<AppIdentity | null> {
    return this.dataSource.getRepository(AppIdentity).findOneBy({ appId });
  }

  /** An entity, or some of its properties, as a row of `apps`; without the columns that PostgreSQL sets. */
  appRow(app: Partial<App>): Row {
    return this.rowOf(App, app);
  }

  identityRow(identity: AppIdentity): Row {
    return this.rowOf(AppIdentity, identity);
  }

  private rowOf(entity: typeof App | typeof AppIdentity, value: ObjectLiteral): Row {
    const columns = this.dataSource.getMetadata(entity).columns;
    const row = columns.map(({ databaseName, propertyName }) => [databaseName, value[propertyName]] as const);
    return Object.fromEntries(row.filter(([, property]) => property !== undefined));
  }
}

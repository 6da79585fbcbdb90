import type { AppIdentity } from '../../apps/app-identity.entity.js';
import type { App } from '../../apps/app.entity.js';
import type { NewRegistration, Row } from '../../database/registrations.js';
import type { Admin } from '../admin.js';
import type { Io } from '../io.js';

/** An app as it is registered now. */
export interface Present {
  readonly app: App | null;
  readonly identity: AppIdentity | null;
}

/** What changes of an app: what is left out stays; the identity settings are deleted where they are null. */
export interface AppChange {
  readonly slug: string;
  readonly comment: string;
  readonly app?: Partial<App>;
  readonly key?: Row;
  readonly identity?: AppIdentity | null;
}

/** @throws {Error} when a migration that changes the app is not applied yet: another one would not fit the app as that leaves it. */
export async function presentApp({ dataSource, settings, apps }: Admin, appId: string): Promise<Present> {
  const { appliedMigrations } = await import('../../database/migrate.js');
  const { firstUnapplied } = await import('../../database/registrations.js');
  const pending = await firstUnapplied(settings.migrationsDir, await appliedMigrations(dataSource), appId);
  if (pending !== undefined) {
    throw new Error(`${pending} about this app is not applied yet: first run "npm run migrate", or remove it`);
  }
  return { app: await apps.find(appId), identity: await apps.identity(appId) };
}

/** Writes a registration that changes an app from its present state, while nobody else writes or applies one. */
export async function writeChange(
  io: Io,
  admin: Admin,
  appId: string,
  make: (present: Present) => Promise<AppChange> | AppChange,
): Promise<void> {
  const { changeOf, slugOf } = await import('../../database/registrations.js');
  await write(io, admin, async () => {
    const present = await presentApp(admin, appId);
    const { slug, comment, ...after } = await make(present);
    const rows = {
      app: present.app === null ? undefined : admin.apps.appRow(present.app),
      identity: present.identity === null ? undefined : admin.apps.identityRow(present.identity),
    };
    const app = { ...rows.app, ...(after.app && admin.apps.appRow(after.app)) };
    const identity =
      after.identity === undefined ? rows.identity : after.identity && admin.apps.identityRow(after.identity);
    const changes = [
      changeOf('apps', ['app_id'], rows.app, app),
      changeOf('app_master_keys', ['app_id', 'version'], undefined, after.key),
      changeOf('app_identity', ['app_id'], rows.identity, identity ?? undefined),
    ].filter((change) => change !== undefined);
    if (changes.length === 0) throw new Error(`app "${appId}" already has these values; nothing to do`);
    return { slug: `${slug}-${slugOf(appId)}`, appIds: [appId], comment, changes };
  });
}

/** Writes a registration while nobody else writes or applies one. */
export async function write(io: Io, admin: Admin, make: () => Promise<NewRegistration>): Promise<void> {
  const { withMigrationLock } = await import('../../database/migrate.js');
  const { writeRegistration } = await import('../../database/registrations.js');
  const file = await withMigrationLock(admin.dataSource, async () =>
    writeRegistration(admin.settings.migrationsDir, await make()),
  );
  io.printSuccess(`wrote ${file}`);
  io.print(
    'Next: read it, commit it and have it reviewed. "npm run migrate" applies it, "im-signature migrate --revert" reverts it.',
  );
}

import { AppIdentity } from '../../apps/app-identity.entity.js';
import { findApp, findIdentity, rowOf, unknownApp } from '../../apps/app-records.js';
import { App } from '../../apps/app.entity.js';
import { appliedMigrations, withMigrationLock } from '../../database/migrate.js';
import {
  changedColumns,
  type NewMigration,
  type Row,
  type RowChange,
  slugOf,
  textOf,
  unappliedAbout,
  writeRegistration,
} from '../../database/registrations.js';
import type { Admin } from '../admin.js';
import type { Io } from '../io.js';

/** An app as it is registered now. */
export interface Present {
  readonly app: App | null;
  readonly identity: AppIdentity | null;
}

/** What an app is to become: rows that are left out stay as they are; the identity settings go where they are null. */
export interface AppChange {
  readonly slug: string;
  readonly comment: string;
  readonly app?: Row;
  readonly key?: Row;
  readonly identity?: Row | null;
}

/** @throws {Error} when a migration about the app waits to be applied: one that is made from what is now would not fit what it makes. */
export async function presentApp({ dataSource, settings }: Admin, appId: string): Promise<Present> {
  const applied = await appliedMigrations(dataSource);
  const pending = await unappliedAbout(settings.migrationsDir, appId, applied);
  if (pending !== undefined) {
    throw new Error(
      `${pending} about this app is not applied yet: first run "npm run migrate", or remove it`,
    );
  }
  return { app: await findApp(dataSource, appId), identity: await findIdentity(dataSource, appId) };
}

/** The app, which has to be registered. */
export function requireThere(appId: string, { app }: Present): App {
  if (app === null) throw unknownApp(appId);
  return app;
}

/** Writes a migration that changes an app, made from what the app is while nobody else makes or applies one. */
export async function writeChange(
  io: Io,
  admin: Admin,
  appId: string,
  make: (present: Present) => Promise<AppChange> | AppChange,
): Promise<void> {
  await write(io, admin, async () => {
    const present = await presentApp(admin, appId);
    const { slug, comment, ...after } = await make(present);
    const changes = rowChanges(admin, present, after);
    if (changes.length === 0) throw new Error(`app "${appId}" already has these values; nothing to do`);
    return { slug: `${slug}-${slugOf(appId)}`, about: [appId], comment, ...textOf(changes) };
  });
}

/** Writes a migration while nobody else makes or applies one. */
export async function write(
  io: Io,
  { dataSource, settings }: Admin,
  make: () => Promise<NewMigration>,
): Promise<void> {
  const file = await withMigrationLock(dataSource, async () =>
    writeRegistration(settings.migrationsDir, await make()),
  );
  io.printSuccess(`wrote ${file}`);
  io.print(
    'Next: read it, commit it and have it reviewed; "npm run migrate" applies it, and "im-signature migrate --revert" takes it back then.',
  );
}

function rowChanges(
  { dataSource }: Admin,
  present: Present,
  after: Omit<AppChange, 'slug' | 'comment'>,
): RowChange[] {
  const app = present.app === null ? undefined : rowOf(dataSource, App, present.app);
  const identity = present.identity === null ? undefined : rowOf(dataSource, AppIdentity, present.identity);
  const changes: RowChange[] = [
    { table: 'apps', name: 'APP', key: ['app_id'], before: app, after: after.app ?? app },
    { table: 'app_master_keys', name: 'KEY', key: ['app_id', 'version'], after: after.key },
    {
      table: 'app_identity',
      name: 'IDENTITY',
      key: ['app_id'],
      before: identity,
      after: after.identity === undefined ? identity : (after.identity ?? undefined),
    },
  ];
  return changes.filter(({ before, after }) => changedColumns(before, after).length > 0);
}

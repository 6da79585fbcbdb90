import type { App } from '../apps/app.entity.js';
import { masterKeyPurpose, seal } from '../apps/sealing.js';
import { withMigrationLock } from '../database/migrate.js';
import { type Admin, requireApp, withAdmin } from './admin-context.js';
import {
  type AppColumns,
  change,
  isSoAlready,
  type KeyRow,
  registration,
  rotation,
} from './app-migrations.js';
import { type Columns, columnsOf } from './app-options.js';
import { type MigrationText, unappliedAbout, writeMigration } from './migration-file.js';
import { printNext } from './output.js';
import { readSecret } from './read-secret.js';
import { UsageError } from './usage-error.js';

export async function register({ appId, ...options }: Columns & { appId: string }): Promise<void> {
  await withAdmin(async (admin) => {
    const mayRegister = async (): Promise<void> => {
      if ((await admin.registry.lookUp(appId)) !== undefined) {
        throw new Error(`the app "${appId}" is registered already`);
      }
      await requireNothingPending(admin, appId);
    };
    // Before the key is asked for, and again when nobody else can write.
    await mayRegister();
    const masterKey = await readSecret('master key');
    await generate(admin, async () => {
      await mayRegister();
      return registration(appId, columnsOf(options), sealedKey(admin, appId, 1, masterKey));
    });
  });
}

export async function rotateKey({ appId, activeFrom }: { appId: string; activeFrom?: Date }): Promise<void> {
  await withAdmin(async (admin) => {
    await requireChangeable(admin, appId);
    const masterKey = await readSecret('new master key');
    await generate(admin, async () => {
      const { masterKeys } = await requireChangeable(admin, appId);
      const version = Math.max(0, ...masterKeys.map((key) => key.version)) + 1;
      return rotation({
        ...sealedKey(admin, appId, version, masterKey),
        ...(activeFrom && { active_from: activeFrom.toISOString() }),
      });
    });
  });
}

export async function set({ appId, ...options }: Columns & { appId: string }): Promise<void> {
  const columns = columnsOf(options);
  if (Object.keys(columns).length === 0)
    throw new UsageError('nothing to set: give at least one option besides --app-id');
  await changeApp('set', appId, columns);
}

export async function changeApp(verb: string, appId: string, columns: AppColumns): Promise<void> {
  await withAdmin((admin) =>
    generate(admin, async () => {
      const app = await requireChangeable(admin, appId);
      if (isSoAlready(app, columns)) throw new Error(`the app "${appId}" is so already`);
      return change(verb, app, columns);
    }),
  );
}

/** Makes and writes a migration while nobody else makes or applies one. */
async function generate({ dataSource }: Admin, make: () => Promise<MigrationText>): Promise<void> {
  await withMigrationLock(dataSource, async () => {
    printNext(await writeMigration(await make()));
  });
}

function sealedKey({ sealingKeys }: Admin, appId: string, version: number, masterKey: string): KeyRow {
  const sealed_key = seal(masterKey, masterKeyPurpose(appId, version), sealingKeys);
  return { app_id: appId, version, sealed_key };
}

/** A migration that is made from what is now would not fit what another, not applied yet, is going to make of it. */
async function requireNothingPending({ dataSource }: Admin, appId: string): Promise<void> {
  const applied: { name: string }[] = await dataSource.query('SELECT name FROM migrations');
  const pending = await unappliedAbout(
    appId,
    applied.map(({ name }) => name),
  );
  if (pending !== undefined) {
    throw new Error(
      `${pending} about this app is not applied yet: first run "npm run migrate", or remove it`,
    );
  }
}

async function requireChangeable(admin: Admin, appId: string): Promise<App> {
  await requireNothingPending(admin, appId);
  return requireApp(admin, appId);
}

import type { App } from '../apps/app.entity.js';
import { masterKeyPurpose, seal } from '../apps/sealing.js';
import { appliedMigrations, withMigrationLock } from '../database/migrate.js';
import { type Admin, findApp, requireApp, withAdmin } from './admin-context.js';
import { change, isSoAlready, type KeyRow, registration, rotation } from './app-migrations.js';
import { type Columns, columnsOf, givesIdentity, type IdentityOptions } from './app-options.js';
import { changedRow, rowOf } from './identity-row.js';
import { type MigrationText, unappliedAbout, writeMigration } from './migration-file.js';
import { printNext } from './output.js';
import { readSecrets } from './read-secret.js';
import { UsageError } from './usage-error.js';

export async function register({
  appId,
  ...options
}: Columns & IdentityOptions & { appId: string }): Promise<void> {
  const jwt = options.identity === 'jwt';
  if (!jwt && givesIdentity(options)) {
    throw new UsageError('how tokens are verified is for --identity jwt only');
  }
  await withAdmin(async (admin) => {
    const mayRegister = async (): Promise<void> => {
      if ((await findApp(admin, appId)) !== null) {
        throw new Error(`the app "${appId}" is registered already`);
      }
      await requireNothingPending(admin, appId);
    };
    // Before anything is asked for, and again when nobody else can write.
    await mayRegister();
    if (jwt) requireIdentity(options);
    const [masterKey = '', secret] = await readSecrets(['master key', ...secretsFor(options)]);
    await generate(admin, async () => {
      await mayRegister();
      const identity = jwt
        ? await changedRow(appId, undefined, options, secret, admin.sealingKeys)
        : undefined;
      const columns = { app_id: appId, ...columnsOf(options) };
      return registration(columns, sealedKey(admin, appId, 1, masterKey), identity);
    });
  });
}

export async function rotateKey({ appId, activeFrom }: { appId: string; activeFrom?: Date }): Promise<void> {
  await withAdmin(async (admin) => {
    await requireChangeable(admin, appId);
    const [masterKey = ''] = await readSecrets(['new master key']);
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

export async function set({
  appId,
  ...options
}: Columns & IdentityOptions & { appId: string }): Promise<void> {
  const columns = columnsOf(options);
  const changesIdentity = givesIdentity(options);
  if (Object.keys(columns).length === 0 && !changesIdentity) {
    throw new UsageError('nothing to set: give at least one option besides --app-id');
  }
  await withAdmin(async (admin) => {
    const { identity: present } = await requireChangeable(admin, appId);
    const jwt = (options.identity ?? present) === 'jwt';
    if (!jwt && changesIdentity) {
      throw new UsageError('how tokens are verified is for apps with identity jwt only');
    }
    const [secret] = options.hmacSecret ? await readSecrets(secretsFor(options)) : [];
    await generate(admin, async () => {
      const app = await requireChangeable(admin, appId);
      const before = rowOf(await admin.identities.findOneBy({ appId }));
      const after = jwt ? await changedRow(appId, before, options, secret, admin.sealingKeys) : undefined;
      const identity = JSON.stringify(before) === JSON.stringify(after) ? undefined : { before, after };
      if (identity === undefined && isSoAlready(app, columns)) {
        throw new Error(`the app "${appId}" is so already`);
      }
      return change('set', app, columns, identity);
    });
  });
}

/** @param verb what it is called in the migration's name. */
export async function switchApp(verb: string, appId: string, disabled: boolean): Promise<void> {
  await withAdmin((admin) =>
    generate(admin, async () => {
      const app = await requireChangeable(admin, appId);
      if (app.disabled === disabled) throw new Error(`the app "${appId}" is so already`);
      return change(verb, app, { disabled });
    }),
  );
}

/** The secrets that are read besides a master key. */
function secretsFor(options: IdentityOptions): string[] {
  return options.hmacSecret ? ['HMAC secret'] : [];
}

/** Said before anybody types a key in vain. */
function requireIdentity({ jwksUri, jwksFile, hmacSecret, algorithms }: IdentityOptions): void {
  if ((jwksUri ?? jwksFile ?? hmacSecret) === undefined || algorithms === undefined) {
    throw new UsageError(
      'identity jwt needs --algorithms and one of --jwks-uri, --jwks-file and --hmac-secret',
    );
  }
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
  const pending = await unappliedAbout(appId, await appliedMigrations(dataSource));
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

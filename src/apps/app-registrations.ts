import type { DataSource } from 'typeorm';
import type { SealingKeys } from '../config/secrets-key.js';
import { appliedMigrations, withMigrationLock } from '../database/migrate.js';
import {
  changeOf,
  firstUnapplied,
  literal,
  type NewRegistration,
  type Row,
  Sql,
  slugOf,
  writeRegistration,
} from '../database/registrations.js';
import type { AppIdentity } from './app-identity.entity.js';
import type { AppRecords } from './app-records.js';
import type { App } from './app.entity.js';
import { ERASED, keyStates, requireRegistered } from './app-report.js';
import { hmacSecretPurpose, masterKeyPurpose, open, seal, sealingKeyId, type SealPurpose } from './sealing.js';

/** An app as it is registered now. */
export type Present = Readonly<{ app: App | null; identity: AppIdentity | null }>;

/** What changes of an app: what is left out stays; the identity settings are deleted where they are null. */
export interface AppChange {
  readonly slug: string;
  readonly comment: string;
  /** Whether it lets anyone get signatures of the app as any client. */
  readonly opens?: boolean;
  readonly app?: Partial<App>;
  readonly key?: Row;
  readonly identity?: AppIdentity | null;
}

/**
 * `active_from` of a key that signs at once: when its migration was written, so that an environment that is built later keeps the
 * versions in their order, and never after it is applied.
 */
export function fromNowOn(): Sql {
  return new Sql(`least(now(), ${literal(new Date().toISOString())})`);
}

/** Writes migrations that register and change apps into a folder; nothing changes before they are applied. */
export class AppRegistrations {
  constructor(
    private readonly dataSource: DataSource,
    private readonly apps: AppRecords,
    private readonly folder: string,
  ) {}

  /** @throws {Error} when a migration that changes the app is not applied: a second one would not fit the app as the first leaves it. */
  async present(appId: string): Promise<Present> {
    await this.requireApplied(appId);
    return { app: await this.apps.find(appId), identity: await this.apps.identity(appId) };
  }

  /**
   * Writes a migration that changes an app, while nobody else writes or applies one.
   *
   * @returns the path of its file.
   * @throws {Error} when nothing changes, and as `present` does.
   */
  async change(appId: string, make: (present: Present) => Promise<AppChange> | AppChange): Promise<string> {
    return this.write(async () => {
      const present = await this.present(appId);
      const { slug, comment, opens, app, key, identity } = await make(present);
      const appRow = present.app === null ? undefined : this.apps.appRow(present.app);
      const identityRow = (settings: AppIdentity | null) =>
        settings === null ? undefined : this.apps.identityRow(settings);
      const identityAfter = identity === undefined ? present.identity : identity;
      const changes = [
        changeOf('apps', ['app_id'], appRow, { ...appRow, ...(app && this.apps.appRow(app)) }),
        changeOf('app_master_keys', ['app_id', 'version'], undefined, key),
        changeOf('app_identity', ['app_id'], identityRow(present.identity), identityRow(identityAfter)),
      ].filter((change) => change !== undefined);
      if (changes.length === 0) throw new Error(`app "${appId}" already has these values; nothing to do`);
      return { slug: `${slug}-${slugOf(appId)}`, appIds: [appId], comment, opens, changes };
    });
  }

  /**
   * Writes a migration that erases a version of an app's master key that signs no more, and keeps its row. It fails where that version
   * signs when it is applied, and cannot be reverted.
   *
   * @returns the path of its file.
   * @throws {Error} when the version is not there, is erased, signs or is scheduled.
   */
  async retireKey(appId: string, version: number): Promise<string> {
    return this.write(async () => {
      const app = requireRegistered(appId, (await this.present(appId)).app);
      const key = keyStates(app, Date.now()).find((state) => state.version === version);
      const name = `version ${version} of the master key of "${appId}"`;
      if (key === undefined) throw new Error(`there is no ${name}; "im-signature app show" shows which there are`);
      if (key.sealed_with === ERASED) throw new Error(`${name} is erased already; nothing to do`);
      if (key.state === 'signing') {
        throw new Error(`${name} signs; first let another one sign with "im-signature app rotate-key"`);
      }
      if (key.state === 'scheduled') {
        throw new Error(`${name} has not signed yet; revert the migration that adds it instead`);
      }
      const row = `app_id = ${literal(appId)} AND version = ${version}`;
      return {
        slug: `retire-key-${slugOf(appId)}`,
        appIds: [appId],
        comment: 'Erases a version of the master key of an app that signs no more. This cannot be reverted.',
        changes: [
          {
            up: `UPDATE app_master_keys AS k
SET sealed_key = NULL
WHERE ${row} AND sealed_key IS NOT NULL AND EXISTS (
  SELECT FROM app_master_keys AS later
  WHERE later.app_id = k.app_id AND (later.active_from, later.version) > (k.active_from, k.version)
    AND later.active_from <= now()
)`,
            down: `DO $$ BEGIN RAISE EXCEPTION 'a master key that is erased cannot be brought back'; END $$`,
            otherwise: 'the master key signs, or is erased already',
          },
        ],
      };
    });
  }

  /**
   * Writes a migration that seals with one key all that another one sealed. It fails where a value has changed since.
   *
   * @param from the id of the key to retire.
   * @param to the id of the key that replaces it; `sealingKeys` hold both.
   * @param isLeftOut whether an app is left as it is.
   * @returns the path of its file.
   */
  async reseal(from: string, to: string, sealingKeys: SealingKeys, isLeftOut: (app: App) => boolean): Promise<string> {
    const target = sealingKeys.get(to);
    if (target === undefined || !sealingKeys.has(from)) {
      throw new Error(`SECRETS_KEY must hold both keys; it holds ${[...sealingKeys.keys()].join(', ')}`);
    }
    return this.write(async () => {
      // The secrets of one that is not applied would stay under the key that is to be retired.
      await this.requireApplied();
      const appIds = new Set<string>();
      const resealed = (
        table: string,
        column: string,
        key: Row & { app_id: string },
        old: string | null,
        purpose: SealPurpose,
      ) => {
        if (old === null || sealingKeyId(old) !== from) return undefined;
        appIds.add(key.app_id);
        const fresh = seal(open(old, purpose, sealingKeys), purpose, new Map([[to, target]]));
        return changeOf(table, Object.keys(key), { ...key, [column]: old }, { ...key, [column]: fresh }, true);
      };
      const apps = (await this.apps.all()).filter((app) => !isLeftOut(app));
      const ids = new Set(apps.map(({ appId }) => appId));
      const keys = apps.flatMap(({ masterKeys }) => masterKeys);
      const changes = [
        ...keys.map(({ appId: app_id, version, sealedKey }) =>
          resealed('app_master_keys', 'sealed_key', { app_id, version }, sealedKey, masterKeyPurpose(app_id, version)),
        ),
        ...(await this.apps.identities()).map(({ appId: app_id, sealedHmacSecret: secret }) =>
          secret === null || !ids.has(app_id)
            ? undefined
            : resealed('app_identity', 'sealed_hmac_secret', { app_id }, secret, hmacSecretPurpose(app_id)),
        ),
      ].filter((change) => change !== undefined);
      if (changes.length === 0) throw new Error(`nothing is sealed with the key "${from}"`);
      return {
        slug: `reseal-${slugOf(from)}-${slugOf(to)}`,
        appIds: [...appIds],
        comment: `Seals with the key "${to}" all that the key "${from}" sealed.`,
        changes,
      };
    });
  }

  /** @param appId only migrations that change this app count. */
  private async requireApplied(appId?: string): Promise<void> {
    const pending = await firstUnapplied(this.folder, await appliedMigrations(this.dataSource), appId);
    if (pending === undefined) return;
    const about = appId === undefined ? '' : ' about this app';
    throw new Error(`${pending}${about} is not applied yet; first run "im-signature migrate", or remove it`);
  }

  private async write(make: () => Promise<NewRegistration>): Promise<string> {
    return withMigrationLock(this.dataSource, async () => writeRegistration(this.folder, await make()));
  }
}

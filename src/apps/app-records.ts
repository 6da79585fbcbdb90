import type { DataSource, EntityTarget, ObjectLiteral } from 'typeorm';
import type { SealingKeys } from '../config/secrets-key.js';
import type { Row } from '../database/registrations.js';
import { AppIdentity } from './app-identity.entity.js';
import { App } from './app.entity.js';
import {
  hmacSecretPurpose,
  masterKeyPurpose,
  open,
  SealError,
  sealingKeyId,
  type SealPurpose,
} from './sealing.js';
import { keyInForce } from './signing-app.js';

/** Every app with all versions of its key. */
export async function allApps(dataSource: DataSource): Promise<App[]> {
  return dataSource.getRepository(App).find({ relations: { masterKeys: true }, order: { appId: 'ASC' } });
}

/** The app, disabled or not, with all versions of its key. */
export async function findApp(dataSource: DataSource, appId: string): Promise<App | null> {
  return dataSource.getRepository(App).findOne({ where: { appId }, relations: { masterKeys: true } });
}

/** @throws {Error} when there is no such app. */
export async function requireApp(dataSource: DataSource, appId: string): Promise<App> {
  const app = await findApp(dataSource, appId);
  if (app === null) throw unknownApp(appId);
  return app;
}

export function unknownApp(appId: string): Error {
  return new Error(`no app "${appId}" is registered: "im-signature app list" shows which are`);
}

export async function findIdentity(dataSource: DataSource, appId: string): Promise<AppIdentity | null> {
  return dataSource.getRepository(AppIdentity).findOneBy({ appId });
}

/** An entity as its row, by the names of the columns; without those that PostgreSQL sets by itself. */
export function rowOf(
  dataSource: DataSource,
  entity: EntityTarget<ObjectLiteral>,
  value: ObjectLiteral,
): Row {
  const columns = dataSource.getMetadata(entity).columns.filter(({ isInsert }) => isInsert);
  return Object.fromEntries(
    columns.map(({ databaseName, propertyName }) => [databaseName, value[propertyName]]),
  );
}

export interface KeyState {
  readonly version: number;
  readonly state: 'past' | 'in force' | 'scheduled';
  readonly active_from: string;
  /** When the next one takes over; null: it stays. */
  readonly active_until: string | null;
  readonly sealed_with: string;
}

/** The versions of an app's key in the order in which they begin to sign. @param now milliseconds since 1970. */
export function keyStates({ masterKeys }: App, now: number): KeyState[] {
  const inForce = keyInForce(masterKeys, now);
  const keys = masterKeys.toSorted(
    (a, b) => a.activeFrom.getTime() - b.activeFrom.getTime() || a.version - b.version,
  );
  return keys.map((key, index) => ({
    version: key.version,
    state: key === inForce ? 'in force' : key.activeFrom.getTime() > now ? 'scheduled' : 'past',
    active_from: key.activeFrom.toISOString(),
    active_until: keys[index + 1]?.activeFrom.toISOString() ?? null,
    sealed_with: sealingKeyId(key.sealedKey),
  }));
}

/** What keeps an app from being signed for, one line each: keys that do not open or are missing. */
export function faultsOf(app: App, identity: AppIdentity | null, sealingKeys: SealingKeys): string[] {
  const faults: string[] = [];
  const tryToOpen = (what: string, sealed: string, purpose: SealPurpose): void => {
    try {
      open(sealed, purpose, sealingKeys);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      faults.push(`${what}: ${error.message}`);
    }
  };
  if (app.masterKeys.length === 0) faults.push('has no key');
  for (const { version, sealedKey } of app.masterKeys) {
    tryToOpen(`key ${version}`, sealedKey, masterKeyPurpose(app.appId, version));
  }
  if (app.identity === 'jwt' && identity === null) {
    faults.push('asks for tokens, and says not how to verify them');
  }
  const secret = identity?.sealedHmacSecret ?? null;
  if (secret !== null) tryToOpen('HMAC secret', secret, hmacSecretPurpose(app.appId));
  return faults;
}

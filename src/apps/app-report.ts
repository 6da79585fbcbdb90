import type { SealingKeys } from '../config/secrets-key.js';
import type { AppIdentity } from './app-identity.entity.js';
import type { App } from './app.entity.js';
import { hmacSecretPurpose, masterKeyPurpose, open, SealError, sealingKeyId, type SealPurpose } from './sealing.js';
import { keyInForce } from './signing-app.js';

export interface KeyState {
  readonly version: number;
  readonly state: 'past' | 'in force' | 'scheduled';
  readonly active_from: string;
  /** When the next version takes over; null: there is none. */
  readonly active_until: string | null;
  readonly sealed_with: string;
}

/** The versions of an app's key in the order in which they begin to sign. @param now milliseconds since 1970. */
export function keyStates({ masterKeys }: App, now: number): KeyState[] {
  const inForce = keyInForce(masterKeys, now);
  const keys = masterKeys.toSorted((a, b) => a.activeFrom.getTime() - b.activeFrom.getTime() || a.version - b.version);
  return keys.map((key, index) => ({
    version: key.version,
    state: key === inForce ? 'in force' : key.activeFrom.getTime() > now ? 'scheduled' : 'past',
    active_from: key.activeFrom.toISOString(),
    active_until: keys[index + 1]?.activeFrom.toISOString() ?? null,
    sealed_with: sealingKeyId(key.sealedKey),
  }));
}

/** Why an app cannot be signed for: a line for each secret that does not open or is missing. */
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
  if (app.masterKeys.length === 0) faults.push('no master key');
  for (const { version, sealedKey } of app.masterKeys) {
    tryToOpen(`master key ${version}`, sealedKey, masterKeyPurpose(app.appId, version));
  }
  if (app.identity === 'jwt' && identity === null) faults.push('identity is jwt, without settings to verify tokens');
  const secret = identity?.sealedHmacSecret ?? null;
  if (secret !== null) tryToOpen('HMAC secret', secret, hmacSecretPurpose(app.appId));
  return faults;
}

/** @throws {Error} when no such app is registered. */
export function requireRegistered(appId: string, app: App | null): App {
  if (app !== null) return app;
  throw new Error(`no app "${appId}" is registered: "im-signature app list" shows which are`);
}

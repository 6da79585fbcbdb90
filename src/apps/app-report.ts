import type { SealingKeys } from '../config/secrets-key.js';
import type { AppIdentity } from './app-identity.entity.js';
import type { App } from './app.entity.js';
import { hmacSecretPurpose, masterKeyPurpose, open, SealError, sealingKeyId, type SealPurpose } from './sealing.js';
import { keyInForce } from './signing-app.js';

/** In place of the sealing key's id, of a key that is erased. */
export const ERASED = 'erased';

/** The versions of an app's key in the order in which they sign, each until the next one. @param now milliseconds since 1970. */
export function keyStates({ masterKeys }: App, now: number) {
  const inForce = keyInForce(masterKeys, now);
  return masterKeys.map((key, index) => ({
    version: key.version,
    state: key === inForce ? 'signing' : key.activeFrom.getTime() > now ? 'scheduled' : 'retired',
    active_from: key.activeFrom.toISOString(),
    active_until: masterKeys[index + 1]?.activeFrom.toISOString() ?? null,
    sealed_with: key.sealedKey === null ? ERASED : sealingKeyId(key.sealedKey),
  }));
}

/** A secret that is missing or cannot be decrypted; `retired`: of a key that signs no more, so that the service does without. */
export type SecretFault = Readonly<{ fault: string; retired: boolean }>;

/** Why the service cannot sign for an app or verify its tokens. @param now milliseconds since 1970. */
export function faultsOf(app: App, identity: AppIdentity | null, sealingKeys: SealingKeys, now: number): SecretFault[] {
  const faults: SecretFault[] = [];
  const tryToOpen = (secret: string, sealed: string, purpose: SealPurpose, retired = false): void => {
    try {
      open(sealed, purpose, sealingKeys);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      faults.push({ fault: `${secret}: ${error.message}`, retired });
    }
  };
  if (app.masterKeys.length === 0) faults.push({ fault: 'no master key', retired: false });
  const states = keyStates(app, now);
  for (const [i, { version, sealedKey }] of app.masterKeys.entries()) {
    const retired = states[i]?.state === 'retired';
    const name = `master key ${version}${retired ? ', which signs no more' : ''}`;
    if (sealedKey !== null) tryToOpen(name, sealedKey, masterKeyPurpose(app.appId, version), retired);
    else if (!retired) faults.push({ fault: `${name}: is erased`, retired });
  }
  if (app.identity === 'jwt' && identity === null) {
    faults.push({ fault: 'identity is jwt, without settings to verify tokens', retired: false });
  }
  const secret = identity?.sealedHmacSecret ?? null;
  if (secret !== null) tryToOpen('HMAC secret', secret, hmacSecretPurpose(app.appId));
  return faults;
}

/** @throws {Error} when no such app is registered. */
export function requireRegistered(appId: string, app: App | null): App {
  if (app !== null) return app;
  throw new Error(`no app "${appId}" is registered; "im-signature app list" lists the registered ones`);
}

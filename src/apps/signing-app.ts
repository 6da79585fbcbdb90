import { createSecretKey, type KeyObject } from 'node:crypto';
import type { ClockReading } from '../config/clock.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { ProblemError } from '../problems/problem-error.js';
import type { AppIdentity } from './app-identity.entity.js';
import type { AppMasterKey } from './app-master-key.entity.js';
import type { App } from './app.entity.js';
import { masterKeyPurpose, open, SealError } from './sealing.js';

type SealedKey = Pick<AppMasterKey, 'version' | 'sealedKey'>;
/** A version of an app's master key, decrypted. */
export type MasterKey = Readonly<{ version: number; key: KeyObject }>;
type Columns = 'appId' | 'disabled' | 'identity' | 'timestampFormat' | 'membership' | 'membershipMode' | 'maxMembers';

/** An app as the request path needs it. A new one replaces it when its rows change, and with it the decrypted keys. */
export interface SigningApp extends Readonly<Pick<App, Columns>> {
  readonly identitySettings: AppIdentity | null;
  /** Its rows as JSON. */
  readonly content: string;
  /** When the last query that returned these rows was sent. */
  readAt: ClockReading;
  /**
   * The key that signs.
   *
   * @param now milliseconds since 1970.
   * @throws {ProblemError} `unavailable` when the app has no key or it cannot be decrypted; the `cause` says why.
   */
  masterKey(now: number): MasterKey;
  /** All that can be decrypted, earlier and scheduled ones included. */
  masterKeys(): MasterKey[];
}

interface Content extends Pick<App, Columns> {
  readonly identitySettings: AppIdentity | null;
  readonly masterKeys: (SealedKey & { readonly activeFrom: number })[];
}

/** @param content the rows as JSON by the entities' property names, times in milliseconds since 1970, keys in order of version. */
export function signingApp(content: string, readAt: ClockReading, sealingKeys: SealingKeys): SigningApp {
  const { masterKeys, ...app } = JSON.parse(content) as Content;
  const keys = masterKeys
    .sort((a, b) => a.activeFrom - b.activeFrom)
    .map((key) => ({ ...key, activeFrom: new Date(key.activeFrom), opened: undefined as MasterKey | undefined }));
  return {
    ...app,
    content,
    readAt,
    masterKey(now) {
      const key = keyInForce(keys, now);
      if (key === undefined) throw new ProblemError('unavailable', 'The app has no master key.');
      return (key.opened ??= openMasterKey(app.appId, key, sealingKeys));
    },
    masterKeys: () =>
      keys.flatMap((key) => {
        try {
          return [(key.opened ??= openMasterKey(app.appId, key, sealingKeys))];
        } catch (error) {
          if (error instanceof ProblemError) return [];
          throw error;
        }
      }),
  };
}

function openMasterKey(appId: string, { version, sealedKey }: SealedKey, sealingKeys: SealingKeys): MasterKey {
  try {
    if (sealedKey === null) throw new SealError('is erased');
    return { version, key: createSecretKey(open(sealedKey, masterKeyPurpose(appId, version), sealingKeys)) };
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    const cause = new Error(`Master key ${version} of app ${appId}: ${error.message}`);
    throw new ProblemError('unavailable', "The app's master key cannot be used.", { cause });
  }
}

/**
 * The last key whose `activeFrom` has come, or else the first, so that a clock that is behind leaves no app without a key.
 *
 * @param keys in the order of `activeFrom`, and of `version` where it is equal.
 * @param now milliseconds since 1970.
 */
export function keyInForce<K extends Pick<AppMasterKey, 'activeFrom'>>(keys: readonly K[], now: number): K | undefined {
  let inForce = keys[0];
  // A time beyond JavaScript's years is NaN, which is not <= now.
  for (const key of keys) if (key.activeFrom.getTime() <= now) inForce = key;
  return inForce;
}

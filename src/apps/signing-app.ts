import { createSecretKey, type KeyObject } from 'node:crypto';
import type { ClockReading } from '../config/clock.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { ProblemError } from '../problems/problem-error.js';
import type { AppIdentity } from './app-identity.entity.js';
import type { AppMasterKey } from './app-master-key.entity.js';
import type { App } from './app.entity.js';
import { masterKeyPurpose, open, SealError } from './sealing.js';

/** The rows of an app as JSON; times are milliseconds since 1970. */
interface Content extends Omit<App, 'masterKeys'> {
  readonly masterKeys: (Pick<AppMasterKey, 'version' | 'sealedKey'> & { readonly activeFrom: number })[];
  readonly identitySettings: AppIdentity | null;
}

interface MasterKey extends Pick<AppMasterKey, 'version' | 'sealedKey' | 'activeFrom'> {
  /** Undefined until it is first used. */
  opened: KeyObject | undefined;
}

/** An app as the request path needs it, with its decrypted keys: a new one replaces it when its rows change. */
export class SigningApp {
  readonly appId: string;
  readonly disabled: boolean;
  readonly identity: App['identity'];
  readonly timestampFormat: App['timestampFormat'];
  readonly membership: App['membership'];
  readonly maxMembers: number;
  readonly identitySettings: AppIdentity | null;
  private readonly masterKeys: readonly MasterKey[];

  /**
   * @param content the rows as JSON, by the entities' property names, the keys by version.
   * @param readAt when the last query that returned these rows was sent.
   */
  constructor(
    readonly content: string,
    public readAt: ClockReading,
    private readonly sealingKeys: SealingKeys,
  ) {
    const app = JSON.parse(content) as Content;
    this.appId = app.appId;
    this.disabled = app.disabled;
    this.identity = app.identity;
    this.timestampFormat = app.timestampFormat;
    this.membership = app.membership;
    this.maxMembers = app.maxMembers;
    this.identitySettings = app.identitySettings;
    this.masterKeys = app.masterKeys
      .sort((a, b) => a.activeFrom - b.activeFrom)
      .map((key) => ({ ...key, activeFrom: new Date(key.activeFrom), opened: undefined }));
  }

  /**
   * The key that signs.
   *
   * @param now milliseconds since 1970.
   * @throws {ProblemError} `unavailable` when the app has no key or it cannot be decrypted; the `cause` says why.
   */
  masterKey(now: number): KeyObject {
    const key = keyInForce(this.masterKeys, now);
    if (key === undefined) throw new ProblemError('unavailable', 'The app has no master key.');
    return (key.opened ??= this.open(key));
  }

  private open({ version, sealedKey }: MasterKey): KeyObject {
    try {
      return createSecretKey(open(sealedKey, masterKeyPurpose(this.appId, version), this.sealingKeys), 'utf8');
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      const cause = new Error(`Master key ${version} of app ${this.appId}: ${error.message}`);
      throw new ProblemError('unavailable', "The app's master key cannot be used.", { cause });
    }
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

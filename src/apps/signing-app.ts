import { createSecretKey, type KeyObject } from 'node:crypto';
import type { ClockReading } from '../config/clock.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { ProblemError } from '../problems/problem-error.js';
import type { AppIdentity } from './app-identity.entity.js';
import type { AppMasterKey } from './app-master-key.entity.js';
import type { App } from './app.entity.js';
import { masterKeyPurpose, open, SealError } from './sealing.js';

/** An app with its keys and identity settings as JSON; moments are milliseconds since 1970. */
interface Content extends Omit<App, 'masterKeys'> {
  readonly masterKeys: readonly (Omit<AppMasterKey, 'activeFrom'> & { readonly activeFrom: number })[];
  readonly identitySettings: AppIdentity | null;
}

/** An app as requests need it. What is derived from its rows lives as long as it does: it is replaced when they have changed. */
export class SigningApp {
  readonly appId: string;
  readonly disabled: boolean;
  readonly identity: App['identity'];
  readonly timestampFormat: App['timestampFormat'];
  readonly membership: App['membership'];
  readonly maxMembers: number;
  readonly identitySettings: AppIdentity | null;
  private readonly masterKeys: readonly AppMasterKey[];
  private readonly opened = new Map<AppMasterKey, KeyObject>();

  /**
   * @param content the rows as JSON, by the names of the entities' properties.
   * @param readAt when the query was sent that last found these rows.
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
    this.masterKeys = app.masterKeys.map((key) => ({ ...key, activeFrom: new Date(key.activeFrom) }));
  }

  /**
   * The master key that signs at a moment.
   *
   * @param now milliseconds since 1970.
   * @throws {ProblemError} `unavailable` when the app has no key or it does not open; the reason is its `cause`.
   */
  masterKey(now: number): KeyObject {
    const key = keyInForce(this.masterKeys, now);
    if (key === undefined) throw new ProblemError('unavailable', 'The app has no master key.');
    let opened = this.opened.get(key);
    if (opened === undefined) {
      opened = this.open(key);
      this.opened.set(key, opened);
    }
    return opened;
  }

  private open({ version, sealedKey }: AppMasterKey): KeyObject {
    try {
      const plain = open(sealedKey, masterKeyPurpose(this.appId, version), this.sealingKeys);
      return createSecretKey(plain, 'utf8');
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      const cause = new Error(`Master key ${version} of app ${this.appId}: ${error.message}`);
      throw new ProblemError('unavailable', "The app's master key cannot be used.", { cause });
    }
  }
}

/**
 * The key in force at a moment: the one with the latest `active_from` not after it, the higher version where two are equal. Before
 * all of them it is the first, so that a clock that is behind leaves no app without a key. Undefined only where there is no key.
 *
 * @param now milliseconds since 1970.
 */
export function keyInForce<K extends Pick<AppMasterKey, 'activeFrom' | 'version'>>(
  keys: readonly K[],
  now: number,
): K | undefined {
  let inForce: K | undefined;
  let first: K | undefined;
  for (const key of keys) {
    const earlier = first === undefined ? -1 : begins(key) - begins(first);
    if (first === undefined || earlier < 0 || (earlier === 0 && key.version < first.version)) first = key;
    if (begins(key) > now) continue;
    const later = inForce === undefined ? 1 : begins(key) - begins(inForce);
    if (inForce === undefined || later > 0 || (later === 0 && key.version > inForce.version)) inForce = key;
  }
  return inForce ?? first;
}

/** A time beyond JavaScript's years is no number: it is later than any. */
function begins({ activeFrom }: Pick<AppMasterKey, 'activeFrom'>): number {
  const time = activeFrom.getTime();
  return Number.isNaN(time) ? Number.MAX_VALUE : time;
}

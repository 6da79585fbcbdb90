import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import type { SealingKeys } from '../config/secrets-key.js';
import { ChangeFeed } from '../database/change-feed.js';
import { inBatches } from '../database/in-batches.js';
import type { RowCache } from '../database/row-cache.js';
import { Problem } from '../operations/problem.js';
import { type AppMasterKey, keyInForce } from './app-master-key.entity.js';
import { App } from './app.entity.js';
import { masterKeyPurpose, open, SealError } from './sealing.js';

export const SEALING_KEYS = Symbol('SEALING_KEYS');

const MAX_REMEMBERED = 10_000;

/** The registered apps and their master keys. */
@Injectable()
export class AppRegistry {
  private readonly remembered: RowCache<App>;
  /** A key stays open as long as its row is remembered. */
  private readonly opened = new WeakMap<AppMasterKey, string>();

  constructor(
    @InjectRepository(App) private readonly apps: Repository<App>,
    @Inject(SEALING_KEYS) private readonly sealingKeys: SealingKeys,
    feed: ChangeFeed,
  ) {
    this.remembered = feed.cache({
      name: 'apps',
      max: MAX_REMEMBERED,
      keyParts: 1,
      tables: ['apps', 'app_master_keys'],
      fetch: inBatches((appIds) => this.fetch(appIds)),
    });
  }

  /** The app that signatures are asked for. @throws {Problem} `app_not_found`, `app_disabled` */
  async find(appId: string): Promise<App> {
    const app = await this.remembered.get(appId);
    if (app === undefined) throw new Problem('app_not_found', 'No app is registered under this id.');
    if (app.disabled) throw new Problem('app_disabled', 'The app is disabled; nothing is signed for it.');
    return app;
  }

  /** The app as it is right now, disabled or not, with all versions of its key. */
  async lookUp(appId: string): Promise<App | undefined> {
    return (await this.fetch([appId])).get(appId);
  }

  /** Every app with all versions of its key. */
  async all(): Promise<App[]> {
    return this.apps.find({ relations: { masterKeys: true }, order: { appId: 'ASC' } });
  }

  /**
   * The master key that signs for the app at a moment, opened.
   *
   * @param now milliseconds since 1970.
   * @throws {Problem} `unavailable` when the app has no key in force or it does not open; the reason is its `cause`.
   */
  masterKey(app: App, now: number): string {
    const key = keyInForce(app.masterKeys, now);
    if (key === undefined) throw new Problem('unavailable', 'The app has no master key in force.');
    const known = this.opened.get(key);
    if (known !== undefined) return known;
    try {
      const masterKey = open(key.sealedKey, masterKeyPurpose(app.appId, key.version), this.sealingKeys);
      this.opened.set(key, masterKey);
      return masterKey;
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      const cause = new Error(`Master key ${key.version} of app ${app.appId}: ${error.message}`);
      throw new Problem('unavailable', "The app's master key cannot be used.", { cause });
    }
  }

  /**
   * Opens the key in force of every enabled app, so that a wrong `SECRETS_KEY` shows at the start and not at the first login.
   *
   * @returns how many opened, one line for each that did not, and the apps that ask for no proof of identity.
   */
  async probe(now: number): Promise<{ opened: number; faults: string[]; openToEveryone: string[] }> {
    const apps = (await this.all()).filter(({ disabled }) => !disabled);
    const faults: string[] = [];
    for (const app of apps) {
      try {
        this.masterKey(app, now);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        faults.push(
          error.cause instanceof Error ? error.cause.message : `App ${app.appId} has no master key in force`,
        );
      }
    }
    const openToEveryone = apps.filter(({ identity }) => identity === 'none').map(({ appId }) => appId);
    return { opened: apps.length - faults.length, faults, openToEveryone };
  }

  private async fetch(appIds: readonly string[]): Promise<Map<string, App>> {
    const apps = await this.apps.find({ where: { appId: In(appIds) }, relations: { masterKeys: true } });
    return new Map(apps.map((app) => [app.appId, app]));
  }
}

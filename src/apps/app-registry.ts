import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DataSource, type EntityTarget, type ObjectLiteral } from 'typeorm';
import { Clock, type ClockReading } from '../config/clock.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { Batches } from '../database/batches.js';
import { allRowsOf, isDataFault, LookUps, type Statement } from '../database/look-ups.js';
import { ProblemError } from '../problems/problem-error.js';
import { AppIdentity } from './app-identity.entity.js';
import { AppMasterKey } from './app-master-key.entity.js';
import { App } from './app.entity.js';
import { type SigningApp, signingApp } from './signing-app.js';

export const SEALING_KEYS = Symbol('SEALING_KEYS');
/** Milliseconds for which an app is cached, from when its query was sent. */
const MAX_AGE = 500;
/** Milliseconds after its query was sent for which a row may decide: a second, less the time to send the answer. */
const MAX_AGE_OF_ANSWER = 950;
const MAX_CACHED = 10_000;
const PAGE = 1_000;

/** The registered apps with their master keys and identity settings; each is read again after half a second. */
@Injectable()
export class AppRegistry {
  /** How often an app was cached, and how often it had to be read. */
  readonly counts = { hits: 0, misses: 0 };
  private readonly apps = new LRUCache<string, SigningApp>({ max: MAX_CACHED });
  private readonly inFlight = new Map<string, Promise<SigningApp | undefined>>();
  private readonly batches: Batches<string, SigningApp | undefined>;

  constructor(
    private readonly dataSource: DataSource,
    lookUps: LookUps,
    private readonly clock: Clock,
    @Inject(SEALING_KEYS) private readonly sealingKeys: SealingKeys,
  ) {
    const statement = appsStatement(dataSource);
    this.batches = new Batches({
      ask: async (appIds) => {
        const readAt = clock.read();
        const rows = await lookUps.rows<{ content: string | null }>(statement, [appIds.join('\n')], appIds.length);
        this.requireCurrent({ readAt });
        return appIds.map((appId, i) => this.cache(appId, rows[i]?.content ?? null, readAt));
      },
      isFaultOfOne: isDataFault,
      maxWeight: PAGE,
      maxInFlight: 2,
    });
  }

  /** How many apps are cached. */
  get size(): number {
    return this.apps.size;
  }

  /** An enabled app, without a promise when it is cached. @throws {ProblemError} `app_not_found`, `app_disabled`, `unavailable` */
  find(appId: string): SigningApp | Promise<SigningApp> {
    const cached = this.apps.get(appId);
    if (cached !== undefined && this.clock.elapsedSince(cached.readAt) < MAX_AGE) {
      this.counts.hits++;
      return requireEnabled(cached);
    }
    this.counts.misses++;
    return this.read(appId).then(requireEnabled);
  }

  /** @throws {ProblemError} `unavailable` when the app was read too long ago to answer by it. */
  requireCurrent({ readAt }: { readonly readAt: ClockReading }): void {
    if (this.clock.elapsedSince(readAt) <= MAX_AGE_OF_ANSWER) return;
    throw new ProblemError('unavailable', 'Reading the database took too long for its result to be current.');
  }

  /**
   * Decrypts the key in force of every enabled app, so that a wrong `SECRETS_KEY` shows at the start and not at the first login.
   *
   * @param now milliseconds since 1970.
   * @returns how many were decrypted, a line for each that was not, and the ids of the apps with identity `none`.
   */
  async probe(now: number): Promise<{ decrypted: number; faults: string[]; openToEveryone: string[] }> {
    const report = { decrypted: 0, faults: [] as string[], openToEveryone: [] as string[] };
    for (let last: string | undefined = ''; last !== undefined;) {
      const page: { app_id: string }[] = await this.dataSource.query(
        `SELECT app_id FROM apps WHERE NOT disabled AND app_id > $1 ORDER BY app_id LIMIT ${PAGE}`,
        [last],
      );
      for (const app of await Promise.all(page.map(({ app_id }) => this.read(app_id)))) {
        if (app === undefined) continue;
        if (app.identity === 'none') report.openToEveryone.push(app.appId);
        try {
          app.masterKey(now);
          report.decrypted++;
        } catch (error) {
          if (!(error instanceof ProblemError)) throw error;
          report.faults.push(error.cause instanceof Error ? error.cause.message : `App ${app.appId}: ${error.detail}`);
        }
      }
      last = page.at(-1)?.app_id;
    }
    return report;
  }

  /** Other enabled apps, the ones that were changed last. */
  async others(appId: string, limit: number): Promise<SigningApp[]> {
    const rows: { app_id: string }[] = await this.dataSource.query(
      'SELECT app_id FROM apps WHERE NOT disabled AND app_id <> $1 ORDER BY updated_at DESC, app_id LIMIT $2',
      [appId, limit],
    );
    const apps = await Promise.all(rows.map(({ app_id }) => this.read(app_id)));
    return apps.filter((app) => app !== undefined);
  }

  /** Reads an app; concurrent calls for the same one share the query. */
  private read(appId: string): Promise<SigningApp | undefined> {
    let reading = this.inFlight.get(appId);
    if (reading === undefined) {
      reading = this.batches.ask(appId).finally(() => this.inFlight.delete(appId));
      this.inFlight.set(appId, reading);
    }
    return reading;
  }

  /** @param content null: there is no such app. */
  private cache(appId: string, content: string | null, readAt: ClockReading): SigningApp | undefined {
    if (content === null) {
      this.apps.delete(appId);
      return undefined;
    }
    const known = this.apps.get(appId);
    if (known?.content === content) {
      known.readAt = readAt;
      return known;
    }
    const app = signingApp(content, readAt, this.sealingKeys);
    // Not `appId`: as a substring of the URL it would keep the whole URL in memory.
    this.apps.set(app.appId, app);
    return app;
  }
}

function requireEnabled(app: SigningApp | undefined): SigningApp {
  if (app === undefined) throw new ProblemError('app_not_found', 'No app is registered under this id.');
  if (app.disabled) throw new ProblemError('app_disabled', 'The app is disabled; nothing is signed for it.');
  return app;
}

/** For each app id, a line of $1: the app with its keys and identity settings as JSON text; null where there is no app. */
function appsStatement(dataSource: DataSource): Statement {
  const json = (entity: EntityTarget<ObjectLiteral>, alias: string, more = ''): string => {
    const pairs = dataSource.getMetadata(entity).columns.map(({ propertyName, databaseName, type }) => {
      const column = `${alias}.${databaseName}`;
      return `'${propertyName}', ${type === 'timestamptz' ? `extract(epoch FROM ${column}) * 1000` : column}`;
    });
    return `json_build_object(${pairs.join(', ')}${more})`;
  };
  const keys = `SELECT coalesce(json_agg(${json(AppMasterKey, 'k')} ORDER BY k.version), '[]')
    FROM app_master_keys k WHERE k.app_id = a.app_id`;
  const settings = `SELECT ${json(AppIdentity, 'i')} FROM app_identity i WHERE i.app_id = a.app_id`;
  const content = json(App, 'a', `, 'masterKeys', (${keys}), 'identitySettings', (${settings})`);
  return {
    name: 'apps',
    text: `
      SELECT CASE WHEN a.app_id IS NOT NULL THEN ${content}::text END AS content
      FROM unnest(string_to_array($1, E'\\n')) WITH ORDINALITY AS asked (app_id, place) LEFT JOIN apps a USING (app_id)
      WHERE ${allRowsOf('apps', 'app_master_keys', 'app_identity')}
      ORDER BY place`,
  };
}

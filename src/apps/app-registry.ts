import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DataSource, type EntityTarget, type ObjectLiteral } from 'typeorm';
import { Clock, type ClockReading } from '../config/clock.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { Batches } from '../database/batches.js';
import { isDataFault, LookUps, type Statement } from '../database/look-ups.js';
import { ProblemError } from '../problems/problem-error.js';
import { AppIdentity } from './app-identity.entity.js';
import { AppMasterKey } from './app-master-key.entity.js';
import { App } from './app.entity.js';
import { SigningApp } from './signing-app.js';

export const SEALING_KEYS = Symbol('SEALING_KEYS');

/** Milliseconds for which an app is cached, from when its query was sent. */
const MAX_AGE = 500;

/** Milliseconds after which nothing is answered any more by what was read: a second, less what sending the answer takes. */
const MAX_AGE_OF_ANSWER = 950;

const MAX_CACHED = 10_000;
const PAGE = 1_000;

/** So many of the apps that a report is about are named in it. */
const NAMED_IN_REPORT = 10;

interface AppRead {
  /** Null: no such app. */
  readonly content: string | null;
  readonly readAt: ClockReading;
}

/** How many there are, and the first of them. */
export interface Sample {
  readonly count: number;
  readonly first: readonly string[];
}

/** The registered apps, their master keys and identity settings; each is read again after half a second. */
@Injectable()
export class AppRegistry {
  private readonly apps = new LRUCache<string, SigningApp>({ max: MAX_CACHED });
  private readonly reading = new Map<string, Promise<SigningApp | undefined>>();
  private readonly batches: Batches<string, AppRead>;

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
        this.requireRecent(readAt);
        return rows.map(({ content }) => ({ content, readAt }));
      },
      isFaultOfOne: isDataFault,
      maxWeight: PAGE,
      maxInFlight: 2,
    });
  }

  /**
   * The app that signatures are asked for: at once when it is cached.
   *
   * @throws {ProblemError} `app_not_found`, `app_disabled`, `unavailable`
   */
  find(appId: string): SigningApp | Promise<SigningApp> {
    const cached = this.apps.get(appId);
    if (cached !== undefined && this.clock.elapsedSince(cached.readAt) < MAX_AGE) {
      return requireEnabled(cached);
    }
    return this.read(appId).then(requireEnabled);
  }

  /** @throws {ProblemError} `unavailable` when the app was read so long ago that it may have changed more than a second ago. */
  requireCurrent(app: SigningApp): void {
    this.requireRecent(app.readAt);
  }

  /**
   * Opens the key in force of every enabled app, so that a wrong `SECRETS_KEY` shows at the start and not at the first login.
   *
   * @param now milliseconds since 1970.
   * @returns how many opened, a line for each that did not, and the apps that ask for no proof of identity.
   */
  async probe(now: number): Promise<{ opened: number; faults: Sample; openToEveryone: Sample }> {
    let opened = 0;
    const faults: string[] = [];
    const openToEveryone: string[] = [];
    for await (const app of this.enabledApps()) {
      if (app.identity === 'none') openToEveryone.push(app.appId);
      try {
        app.masterKey(now);
        opened++;
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        faults.push(error.cause instanceof Error ? error.cause.message : `App ${app.appId}: ${error.detail}`);
      }
    }
    return { opened, faults: sampleOf(faults), openToEveryone: sampleOf(openToEveryone) };
  }

  private async *enabledApps(): AsyncGenerator<SigningApp> {
    for (let last = ''; ;) {
      const page = await this.dataSource.query<{ app_id: string }[]>(
        `SELECT app_id FROM apps WHERE NOT disabled AND app_id > $1 ORDER BY app_id LIMIT ${PAGE}`,
        [last],
      );
      const apps = await Promise.all(page.map(({ app_id }) => this.read(app_id)));
      for (const app of apps) if (app !== undefined) yield app;
      const end = page.at(-1);
      if (end === undefined) return;
      last = end.app_id;
    }
  }

  /** Reads an app; requests that wait for the same one share the query. */
  private read(appId: string): Promise<SigningApp | undefined> {
    let reading = this.reading.get(appId);
    if (reading === undefined) {
      reading = this.batches
        .ask(appId)
        .then((read) => this.remember(appId, read))
        .finally(() => this.reading.delete(appId));
      this.reading.set(appId, reading);
    }
    return reading;
  }

  private remember(appId: string, { content, readAt }: AppRead): SigningApp | undefined {
    if (content === null) {
      this.apps.delete(appId);
      return undefined;
    }
    const known = this.apps.get(appId);
    if (known?.content === content) {
      known.readAt = readAt;
      return known;
    }
    const app = new SigningApp(content, readAt, this.sealingKeys);
    // Its own text of the id: a part of the URL would keep all of the URL in memory.
    this.apps.set(app.appId, app);
    return app;
  }

  private requireRecent(readAt: ClockReading): void {
    if (this.clock.elapsedSince(readAt) <= MAX_AGE_OF_ANSWER) return;
    throw new ProblemError('unavailable', 'The look-ups took so long that what they found may not hold any more.');
  }
}

function requireEnabled(app: SigningApp | undefined): SigningApp {
  if (app === undefined) throw new ProblemError('app_not_found', 'No app is registered under this id.');
  if (app.disabled) throw new ProblemError('app_disabled', 'The app is disabled; nothing is signed for it.');
  return app;
}

function sampleOf(values: readonly string[]): Sample {
  return { count: values.length, first: values.slice(0, NAMED_IN_REPORT) };
}

/** For each app id, a line of $1: the app, its keys and its identity settings as one JSON text; null where there is no app. */
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
      WHERE (SELECT NOT pg_is_in_recovery())
      ORDER BY place`,
  };
}

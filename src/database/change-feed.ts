import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CuttableClient } from './cuttable-client.js';
import { CONNECT_TIMEOUT, urlOf } from './data-source.js';
import type { FetchRow } from './in-batches.js';
import { msSince, type Moment, now } from './moment.js';
import { parseNotice } from './notice.js';
import { type Remembered, RowCache } from './row-cache.js';

/** The channel on which the triggers of the migration announce-changes say what has changed. */
const CHANNEL = 'im_signature_changes';

/** A notice that this process sends to have it come back. */
const ECHO = 'echo ';

/**
 * How many triggers tell of changes in the tables $1, and a text that is another one when a trigger was switched off meanwhile, even if
 * it is on again, a table rewritten, or the function replaced: PostgreSQL stamps each row of its catalogue with the transaction that
 * wrote it (xmin).
 */
const HEARTBEAT = `
  SELECT count(*)::int AS triggers,
    string_agg(concat_ws(' ', t.oid, t.xmin, c.xmin, f.xmin), ',' ORDER BY t.oid) AS stamps
  FROM unnest($1::text[]) AS name JOIN pg_class c ON c.oid = to_regclass(name) JOIN pg_trigger t ON t.tgrelid = c.oid
  JOIN pg_proc f ON f.oid = t.tgfoid
  WHERE f.oid = to_regproc('announce_change') AND t.tgenabled IN ('O', 'A')`;

interface Heartbeat {
  readonly triggers: number;
  readonly stamps: string | null;
}

/** One for each of INSERT, UPDATE, DELETE and TRUNCATE. */
const TRIGGERS_PER_TABLE = 4;

/** Milliseconds from the answer to a heartbeat to the next one. */
const HEARTBEAT_INTERVAL = 200;

/**
 * For so many milliseconds after a heartbeat was sent, its answer vouches for what is remembered. With the time that a request
 * takes it stays within the second of DESIGN, "Freshness".
 */
const LEASE = 800;

const UNANSWERED = 'a heartbeat was not answered in time';

/** Milliseconds until a connection that failed is made anew. */
const RETRY_INTERVAL = 250;

/** Milliseconds between two lines in the log, at `debug`, about how much is remembered. */
const REPORT_INTERVAL = 60_000;

/** A cache, whatever it remembers. */
type Forgets = Pick<RowCache<Remembered>, 'name' | 'hits' | 'misses' | 'forget' | 'forgetAll' | 'toString'>;

/** What a cache remembers. */
interface CacheOptions<V> {
  readonly name: string;
  /** The most rows that are remembered. */
  readonly max: number;
  /** How many parts its keys have: app, conversation or client, client. */
  readonly keyParts: number;
  /** What changes in these makes it forget. */
  readonly tables: readonly string[];
  readonly fetch: FetchRow<V>;
}

/**
 * Hears from PostgreSQL, on one connection, what has changed, makes the caches forget it, and knows whether it would have heard.
 *
 * A backend delivers the notices that wait before it says that a query is done. So the answer to a heartbeat proves that everything
 * whose commit was acknowledged before it was sent is known here. Until the next answer nothing more is proven, which is borne for
 * less than a second: then, as when the connection is lost, what is remembered is neither used nor kept until a new one listens.
 */
@Injectable()
export class ChangeFeed implements OnApplicationBootstrap, OnApplicationShutdown {
  /** All caches, for whoever reports on them. */
  readonly caches: Forgets[] = [];
  private readonly logger = new Logger('ChangeFeed');
  private readonly forgetting = new Map<string, { cache: Forgets; keyParts: number }[]>();
  private readonly echoes = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  private client: CuttableClient | undefined;
  private provenAt: Moment | undefined;
  private deadline: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private report: NodeJS.Timeout | undefined;
  private fault: string | undefined;

  constructor(private readonly dataSource: DataSource) {}

  onApplicationBootstrap(): void {
    this.report = setInterval(() => {
      this.logger.debug(this.caches.map(String).join('; '));
    }, REPORT_INTERVAL).unref();
    void this.listen();
  }

  onApplicationShutdown(): void {
    for (const timer of [this.report, this.retry]) clearTimeout(timer);
    this.forgetAll();
  }

  /** A cache that is used while this is `trusted`; before the start, and without one, it never is. */
  cache<V extends Remembered>({ name, max, keyParts, tables, fetch }: CacheOptions<V>): RowCache<V> {
    const cache = new RowCache(name, max, this, fetch);
    this.caches.push(cache);
    for (const table of tables) {
      this.forgetting.set(table, [...(this.forgetting.get(table) ?? []), { cache, keyParts }]);
    }
    return cache;
  }

  /** Whether what is remembered may be used at this moment. */
  get trusted(): boolean {
    if (this.provenAt === undefined) return false;
    if (msSince(this.provenAt) < LEASE) return true;
    this.lose(this.client, UNANSWERED);
    return false;
  }

  /** Whoever looks something up from now on sees everything that was committed before this moment. */
  get knownUntil(): Moment {
    return this.trusted && this.provenAt !== undefined ? this.provenAt : now();
  }

  /** Resolves when everything that is committed by now is known here. Rejects when this is not `trusted`, or ceases to be. */
  async caughtUp(): Promise<void> {
    if (!this.trusted) throw new Error('nothing is heard of changes');
    await this.echo();
  }

  private async listen(): Promise<void> {
    let client: CuttableClient | undefined;
    try {
      client = this.newClient('im-signature changes');
      this.client = client;
      this.follow(client);
      this.setDeadline(client, 2 * CONNECT_TIMEOUT, 'no notice comes through to the connection that listens');
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      // A pooler between here and PostgreSQL may let LISTEN pass, and keep the notices.
      await this.echo();
      await this.beat(client);
    } catch (error) {
      this.lose(client, messageOf(error));
    }
  }

  /** @throws when what the URL names, such as a file of certificates, cannot be read. */
  private newClient(name: string): CuttableClient {
    return new CuttableClient({
      connectionString: urlOf(this.dataSource),
      connectionTimeoutMillis: CONNECT_TIMEOUT,
      application_name: name,
    });
  }

  private follow(client: CuttableClient): void {
    client.on('error', (error) => {
      this.lose(client, messageOf(error));
    });
    client.on('end', () => {
      this.lose(client, 'the connection has ended');
    });
    client.on('notification', ({ payload = '' }) => {
      if (this.client === client) this.hear(payload);
    });
  }

  private async beat(client: CuttableClient): Promise<void> {
    const tables = [...this.forgetting.keys()];
    let first: Heartbeat | undefined;
    while (this.client === client) {
      const sent = now();
      const [heartbeat] = (await client.query<Heartbeat>(HEARTBEAT, [tables])).rows;
      // What ends the connection may have come in one packet with the answer: then nothing is heard any more.
      if (this.client !== client) return;
      if (heartbeat?.triggers !== TRIGGERS_PER_TABLE * tables.length) {
        throw new Error('not all triggers of the migration announce-changes are there and enabled');
      }
      first ??= heartbeat;
      if (heartbeat.stamps !== first.stamps) {
        throw new Error('the triggers that tell of changes were changed');
      }
      // An answer that comes too late proves nothing any more, whatever was asked before.
      if (msSince(sent) >= LEASE || (this.provenAt !== undefined && !this.trusted)) {
        throw new Error(UNANSWERED);
      }
      this.prove(client, sent);
      await sleep(HEARTBEAT_INTERVAL, undefined, { ref: false });
    }
  }

  private prove(client: CuttableClient, sent: Moment): void {
    if (this.provenAt === undefined) {
      for (const cache of this.caches) cache.forgetAll();
      this.logger.log('Changes are heard: what was looked up is remembered.');
      this.fault = undefined;
    }
    this.provenAt = sent;
    this.setDeadline(client, LEASE - msSince(sent), UNANSWERED);
  }

  private setDeadline(client: CuttableClient, ms: number, reason: string): void {
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => {
      this.lose(client, reason);
    }, ms);
  }

  /** @param client undefined: there was none yet. */
  private lose(client: CuttableClient | undefined, reason: string): void {
    if (this.client !== client) return;
    this.forgetAll();
    if (this.fault !== reason) {
      this.logger.warn(`Changes are not heard, so that every request asks PostgreSQL: ${reason}`);
    }
    this.fault = reason;
    this.retry = setTimeout(() => void this.listen(), RETRY_INTERVAL);
  }

  private forgetAll(): void {
    const { client } = this;
    this.client = undefined;
    this.provenAt = undefined;
    client?.cut();
    clearTimeout(this.deadline);
    for (const cache of this.caches) cache.forgetAll();
    for (const { reject } of this.echoes.values()) reject(new Error('nothing is heard of changes'));
  }

  private hear(payload: string): void {
    if (payload.startsWith(ECHO)) {
      this.echoes.get(payload)?.resolve();
      return;
    }
    const notice = parseNotice(payload);
    if (notice === undefined) {
      this.lose(this.client, 'a notice cannot be read');
      return;
    }
    const forgetting = this.forgetting.get(notice.table);
    if (forgetting === undefined) {
      // One of the tables may have another name for the moment.
      for (const cache of this.caches) cache.forgetAll();
      return;
    }
    for (const { cache, keyParts } of forgetting) {
      if (notice.keys === null) cache.forgetAll();
      else for (const key of notice.keys) cache.forget(key.slice(0, keyParts).join(':'));
    }
  }

  /**
   * Sends a notice through another connection, and waits until it comes back: notices come in the order of the commits.
   * The connection is none of the pool, where requests may stand in line.
   */
  private async echo(): Promise<void> {
    const payload = ECHO + randomUUID();
    const echoed = new Promise<void>((resolve, reject) => {
      this.echoes.set(payload, { resolve, reject });
    });
    try {
      await Promise.all([this.send(payload), echoed]);
    } finally {
      this.echoes.delete(payload);
    }
  }

  private async send(payload: string): Promise<void> {
    const sender = this.newClient('im-signature echo');
    sender.on('error', () => {
      // It ends what is awaited here, which says so.
    });
    try {
      await sender.connect();
      await sender.query('SELECT pg_notify($1, $2)', [CHANNEL, payload]);
    } finally {
      sender.cut();
    }
  }
}

/** Node gives no message where several addresses failed. */
function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || (code ?? 'it failed');
}

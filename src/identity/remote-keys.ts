import { setTimeout as sleep } from 'node:timers/promises';
import { createLocalJWKSet, errors, type FlattenedJWSInput, type JWK, type JWSHeaderParameters } from 'jose';
import type { Clock, ClockReading } from '../config/clock.js';
import { fetchKeySet } from './fetch-key-set.js';

type FindKey = ReturnType<typeof createLocalJWKSet>;

/** Milliseconds from one request to the issuer to the next, and from one that failed, whatever comes. */
const FETCH_INTERVAL = 1_000;

/** After this time the keys are fetched anew in the background, and so long a key counts that is published no more. */
const MAX_KEY_AGE = 600_000;

/** For so long a request waits for an issuer that has failed before: it may hang again. */
const PATIENCE = 250;

/** Requests that wait for the keys of one issuer. */
const MAX_WAITING = 1_000;

/** The issuer's keys are not known, and cannot be had now. */
export class KeysUnavailableError extends Error {}

interface SeenKey {
  readonly jwk: JWK;
  /** When it was last asked for and published. */
  readonly seenAt: ClockReading;
}

/**
 * The public keys that an issuer publishes: fetched when they are first needed, and again for a token whose key is not among them.
 *
 * Keys of earlier sets count for ten minutes more, as the servers of an issuer may publish different sets for a while. While the
 * issuer is away the keys of its last set stay in use.
 */
export class RemoteKeys {
  /** By their JSON: an issuer may give a new key the id of an old one. */
  private readonly keys = new Map<string, SeenKey>();
  /** Those of the last set. */
  private published: ReadonlySet<string> = new Set();
  private etag: string | undefined;
  private find: FindKey | undefined;
  private next: Promise<void> | undefined;
  private started = 0;
  private succeeded = 0;
  private fetching = false;
  /** From when on the next fetch waits for its interval. */
  private pausedAt: ClockReading | undefined;
  private succeededAt: ClockReading | undefined;
  private failure: Error | undefined;
  private waiting = 0;

  constructor(
    private readonly uri: string,
    private readonly warn: (message: string) => void,
    private readonly clock: Clock,
  ) {}

  /**
   * The key for a token. Where it is not known, the next set is waited for that is asked for after the token came.
   *
   * @throws {errors.JWKSNoMatchingKey} when the issuer has no such key.
   * @throws {KeysUnavailableError} when that cannot be known, because the issuer does not answer.
   */
  async key(header: JWSHeaderParameters, token: FlattenedJWSInput): ReturnType<FindKey> {
    const since = this.started;
    this.dropWithdrawn();
    if (this.succeededAt !== undefined && this.clock.elapsedSince(this.succeededAt) > MAX_KEY_AGE) {
      void this.fetchNext();
    }
    for (;;) {
      try {
        if (this.find !== undefined) return await this.find(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || this.succeeded > since) throw error;
      }
      await this.waitForNext();
    }
  }

  /** A mark of this moment, for `learnMore`. */
  get mark(): number {
    return this.started;
  }

  /**
   * Waits for a set that is asked for after a mark, for a token that names no key and fits none that is known.
   *
   * @returns whether there was something to wait for.
   * @throws {KeysUnavailableError} when the issuer does not answer.
   */
  async learnMore(since: number): Promise<boolean> {
    if (this.succeeded > since) return false;
    while (this.succeeded <= since) await this.waitForNext();
    return true;
  }

  private async waitForNext(): Promise<void> {
    const next = this.fetchNext();
    if (this.failure !== undefined && !this.fetching) throw this.unavailable();
    if (this.waiting >= MAX_WAITING) {
      throw new KeysUnavailableError(`${MAX_WAITING} requests wait for the keys of ${this.uri} already`);
    }
    this.waiting++;
    try {
      await (this.failure === undefined ? next : Promise.race([next, sleep(PATIENCE)]));
    } finally {
      this.waiting--;
    }
    if (this.failure !== undefined) throw this.unavailable();
  }

  /** The next fetch, as soon as one is allowed: once for all who wait. Never rejects: what went wrong is `failure`. */
  private fetchNext(): Promise<void> {
    this.next ??= this.fetchAfter(this.pause()).finally(() => {
      this.next = undefined;
    });
    return this.next;
  }

  /** Milliseconds until a fetch is allowed. */
  private pause(): number {
    if (this.pausedAt === undefined) return 0;
    return Math.max(0, FETCH_INTERVAL - this.clock.elapsedSince(this.pausedAt));
  }

  private async fetchAfter(pause: number): Promise<void> {
    if (pause > 0) await sleep(pause, undefined, { ref: false });
    const number = ++this.started;
    const startedAt = this.clock.read();
    this.pausedAt = startedAt;
    this.fetching = true;
    try {
      const set = await fetchKeySet(this.uri, this.etag);
      if (set !== undefined) {
        this.published = new Set(set.keys.map((jwk) => JSON.stringify(jwk)));
        this.etag = set.etag;
      }
      for (const text of this.published) {
        this.keys.set(text, { jwk: JSON.parse(text) as JWK, seenAt: startedAt });
      }
      this.find = this.findAmongAll();
      this.succeeded = number;
      this.succeededAt = startedAt;
      this.failure = undefined;
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
      this.pausedAt = this.clock.read();
      this.warn(`The keys of ${this.uri} cannot be fetched: ${this.failure.message}`);
    } finally {
      this.fetching = false;
    }
  }

  /** Keys that are published no more do not count after ten minutes, even if the issuer is away since. */
  private dropWithdrawn(): void {
    const { size } = this.keys;
    for (const [text, { seenAt }] of this.keys) {
      if (this.published.has(text) || this.clock.elapsedSince(seenAt) <= MAX_KEY_AGE) continue;
      this.keys.delete(text);
    }
    if (this.keys.size < size) this.find = this.findAmongAll();
  }

  private findAmongAll(): FindKey {
    return createLocalJWKSet({ keys: [...this.keys.values()].map(({ jwk }) => jwk) });
  }

  private unavailable(): KeysUnavailableError {
    return new KeysUnavailableError(
      `the keys of ${this.uri} cannot be fetched: ${this.failure?.message ?? ''}`,
    );
  }
}

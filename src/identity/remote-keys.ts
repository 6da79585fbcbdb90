import { createLocalJWKSet, errors, type JWK } from 'jose';
import type { Clock, ClockReading } from '../config/clock.js';
import { fetchKeySet } from './fetch-key-set.js';

type FindKey = ReturnType<typeof createLocalJWKSet>;

/** Milliseconds from the start of one fetch to the next, and from the end of a failed one. */
const FETCH_INTERVAL = 1_000;
/** Milliseconds after which the keys are fetched again in the background. */
const REFRESH_AGE = 300_000;
/** Milliseconds for which a withdrawn key is accepted; older keys are fetched again before they are used. */
const MAX_KEY_AGE = 600_000;
/** Milliseconds that a request waits for an issuer whose last fetch failed: it may hang again. */
const PATIENCE = 250;
/** Requests that may wait for the keys of one issuer. */
const MAX_WAITING = 10_000;
const NEVER: ClockReading = { monotonic: -Infinity, wall: -Infinity };

/** The issuer's keys are unknown, and cannot be fetched now. */
export class KeysUnavailableError extends Error {}

/**
 * The public keys that an issuer publishes: fetched when they are first needed, and again for a token whose key is not among them.
 *
 * A withdrawn key is accepted for ten more minutes, as the servers of one issuer may publish different sets during a rotation.
 * While the issuer is down, the keys of its last set stay in use.
 */
export class RemoteKeys {
  /** When each key was last published, by its JSON: an issuer may reuse a key id. */
  private seenAt = new Map<string, ClockReading>();
  private published: readonly string[] = [];
  private etag: string | undefined;
  private find: FindKey = createLocalJWKSet({ keys: [] });
  /** The fetch that runs, or waits for its interval. */
  private next: Promise<void> | undefined;
  private fetching = false;
  private lastStarted = 0;
  private lastSucceeded = 0;
  private succeededAt = NEVER;
  private intervalStart = NEVER;
  private failure: KeysUnavailableError | undefined;
  private waiting = 0;

  constructor(
    private readonly uri: string,
    private readonly warn: (message: string) => void,
    private readonly clock: Clock,
    private readonly fetches = { succeeded: 0, failed: 0 },
  ) {}

  /**
   * Verifies a token with the issuer's keys; where none of them fits, again after each fetch, up to one that starts after this call.
   *
   * @param verify takes a function that finds the key for a token's header.
   * @throws {KeysUnavailableError} when the issuer does not answer; else what `verify` throws.
   */
  async use<T>(verify: (find: FindKey) => Promise<T>): Promise<T> {
    const before = this.lastStarted;
    const refreshed = this.refresh();
    if (refreshed !== undefined) await refreshed;
    this.dropWithdrawn();
    for (;;) {
      const { lastSucceeded } = this;
      try {
        return await verify(this.find);
      } catch (error) {
        if (lastSucceeded > before || !isKeyMissing(error)) throw error;
      }
      // Newer keys may have come meanwhile.
      if (this.lastSucceeded === lastSucceeded) await this.waitForNext();
    }
  }

  /** @returns what to wait for: a fetch, if the keys are too old to be used and the last fetch did not fail. */
  private refresh(): Promise<void> | undefined {
    const age = this.clock.elapsedSince(this.succeededAt);
    if (age <= REFRESH_AGE) return undefined;
    const next = this.fetchNext();
    return age > MAX_KEY_AGE && this.failure === undefined ? next : undefined;
  }

  private async waitForNext(): Promise<void> {
    const next = this.fetchNext();
    if (this.failure !== undefined && !this.fetching) throw this.failure;
    if (this.waiting >= MAX_WAITING) {
      throw new KeysUnavailableError(`${MAX_WAITING} requests already wait for the keys of ${this.uri}`);
    }
    this.waiting++;
    await (this.failure === undefined ? next : Promise.race([next, delay(PATIENCE)]));
    this.waiting--;
    if (this.failure !== undefined) throw this.failure;
  }

  /** The next fetch that the interval allows, shared by all that wait. Never rejects: see `failure`. */
  private fetchNext(): Promise<void> {
    this.next ??= this.fetchAfterInterval().finally(() => (this.next = undefined));
    return this.next;
  }

  private async fetchAfterInterval(): Promise<void> {
    const pause = FETCH_INTERVAL - this.clock.elapsedSince(this.intervalStart);
    if (pause > 0) await delay(pause);
    const number = ++this.lastStarted;
    const startedAt = this.clock.read();
    this.intervalStart = startedAt;
    this.fetching = true;
    try {
      const set = await fetchKeySet(this.uri, this.etag);
      const published = set?.keys.map((jwk) => JSON.stringify(jwk)) ?? this.published;
      const seenAt = new Map(this.seenAt);
      for (const jwk of published) seenAt.set(jwk, startedAt);
      // Last of all that may fail: a set that jose refuses changes nothing.
      this.find = findAmong(seenAt);
      this.seenAt = seenAt;
      this.published = published;
      this.etag = set === undefined ? this.etag : set.etag;
      this.lastSucceeded = number;
      this.succeededAt = startedAt;
      this.failure = undefined;
      this.fetches.succeeded++;
    } catch (error) {
      const message = `The keys of ${this.uri} cannot be fetched: ${(error as Error).message}`;
      this.failure = new KeysUnavailableError(message, { cause: error });
      this.intervalStart = this.clock.read();
      this.fetches.failed++;
      this.warn(message);
    }
    this.fetching = false;
  }

  /** Also while the issuer is down; the keys of its last set stay. */
  private dropWithdrawn(): void {
    const { size } = this.seenAt;
    for (const [jwk, seenAt] of this.seenAt) {
      const isPublished = seenAt === this.succeededAt;
      if (!isPublished && this.clock.elapsedSince(seenAt) > MAX_KEY_AGE) this.seenAt.delete(jwk);
    }
    if (this.seenAt.size < size) this.find = findAmong(this.seenAt);
  }
}

function findAmong(seenAt: ReadonlyMap<string, unknown>): FindKey {
  return createLocalJWKSet({ keys: Array.from(seenAt.keys(), (jwk) => JSON.parse(jwk) as JWK) });
}

/** A key id does not tell: a token may name none, and an issuer may give the id of an old key to a new one. */
function isKeyMissing(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

import { createLocalJWKSet, errors, type FlattenedJWSInput, type JWSHeaderParameters } from 'jose';
import { fetchKeySet } from './fetch-key-set.js';

type FindKey = ReturnType<typeof createLocalJWKSet>;

/** A key that is not known may be new. It is asked for, but a flood of made-up ids must not become one of requests to the issuer. */
const UNKNOWN_KEY_INTERVAL_MS = 30_000;

/** While no keys are known at all, an issuer that fails is asked again after this time. */
const RETRY_INTERVAL_MS = 1_000;

/** After this time the keys are fetched anew in the background, so that one the issuer took back does not count for ever. */
const REFRESH_AFTER_MS = 600_000;

/** The issuer's keys are not known, and cannot be had now. */
export class KeysUnavailableError extends Error {}

/**
 * The public keys that an issuer publishes: fetched when they are first needed, and again for a key that is not among them.
 * While the issuer is away those that are known stay in use.
 */
export class RemoteKeys {
  private find: FindKey | undefined;
  private fetching: Promise<void> | undefined;
  private triedAt = -Infinity;
  private askedForUnknownAt = -Infinity;
  private failure: Error | undefined;

  constructor(
    private readonly uri: string,
    private readonly warn: (message: string) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * The key for a token.
   *
   * @throws {errors.JWKSNoMatchingKey} when the issuer has no such key.
   * @throws {KeysUnavailableError} when that cannot be known, because the issuer does not answer.
   */
  async key(header: JWSHeaderParameters, token: FlattenedJWSInput): ReturnType<FindKey> {
    if (this.find === undefined) await this.fetchFirst();
    else if (this.since(this.triedAt) > REFRESH_AFTER_MS) void this.fetch();
    for (;;) {
      if (this.find === undefined) throw this.unavailable();
      try {
        return await this.find(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        if (!(await this.learnMore())) throw this.failure === undefined ? error : this.unavailable();
      }
    }
  }

  /**
   * Whether there may be other keys now than a moment ago: for a token that names none, and fits none of those that are known.
   */
  async learnMore(): Promise<boolean> {
    if (!this.mayLearnMore()) return false;
    await this.fetch();
    return true;
  }

  private async fetchFirst(): Promise<void> {
    const justFailed = this.fetching === undefined && this.since(this.triedAt) < RETRY_INTERVAL_MS;
    if (!justFailed) await this.fetch();
  }

  /** Whether a fetch is under way, or one more is allowed, that may bring a key which is missing. */
  private mayLearnMore(): boolean {
    if (this.fetching !== undefined) return true;
    if (this.since(this.askedForUnknownAt) < UNKNOWN_KEY_INTERVAL_MS) return false;
    this.askedForUnknownAt = this.now();
    return true;
  }

  /** Fetches the keys, once for all who wait. Never rejects: what went wrong is kept, and the keys that are known stay. */
  private async fetch(): Promise<void> {
    this.fetching ??= this.fetchOnce().finally(() => {
      this.fetching = undefined;
    });
    await this.fetching;
  }

  private async fetchOnce(): Promise<void> {
    this.triedAt = this.now();
    try {
      this.find = createLocalJWKSet(await fetchKeySet(this.uri));
      this.failure = undefined;
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
      this.warn(`The keys of ${this.uri} cannot be fetched: ${this.failure.message}`);
    }
  }

  /** A clock that was set back must not put off for long what is due: then any time has passed. */
  private since(time: number): number {
    const passed = this.now() - time;
    return passed < 0 ? Infinity : passed;
  }

  private unavailable(): KeysUnavailableError {
    return new KeysUnavailableError(
      `the keys of ${this.uri} cannot be fetched: ${this.failure?.message ?? ''}`,
    );
  }
}

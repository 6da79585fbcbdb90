import { ProblemError } from '../problems/problem-error.js';

/** Failures one after the other that open it. */
const FAILURES = 3;
/** Milliseconds from the start of a probe to that of the next. */
const PAUSE = 100;

export interface BreakerEvents {
  opened(cause: unknown): void;
  /** @param after milliseconds. @param refused how many calls were refused meanwhile. */
  closed(after: number, refused: number): void;
}

/**
 * Fails fast while PostgreSQL does not answer: after three failures in a row, one call at a time is let through as a probe, ten a second
 * at most, and all others are refused at once. The first success ends that.
 */
export class Breaker {
  private failures = 0;
  private succeededAt = -Infinity;
  private openedAt = 0;
  private probing = false;
  private probeAt = 0;
  private refused = 0;
  private lastFailure: unknown;

  /** @param isAnswer whether an error came from a PostgreSQL that works: it counts as a success. */
  constructor(
    private readonly isAnswer: (error: unknown) => boolean,
    private readonly events: BreakerEvents,
  ) {}

  get isOpen(): boolean {
    return this.failures >= FAILURES;
  }

  /** @throws {ProblemError} `unavailable` at once, without a call, while PostgreSQL does not answer. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const isProbe = this.isOpen;
    if (isProbe) this.startProbe(startedAt);
    try {
      const result = await call();
      this.succeed();
      return result;
    } catch (error) {
      if (this.isAnswer(error)) this.succeed();
      // One that began before the last success says nothing about the time after it.
      else if (startedAt > this.succeededAt) this.fail(error, startedAt);
      throw error;
    } finally {
      if (isProbe) this.probing = false;
    }
  }

  private startProbe(now: number): void {
    if (this.probing || now < this.probeAt) {
      this.refused++;
      const cause = new Error('PostgreSQL cannot be used, and was not asked for this request', {
        cause: this.lastFailure,
      });
      throw new ProblemError('unavailable', 'The service cannot answer right now.', { cause });
    }
    this.probing = true;
    this.probeAt = now + PAUSE;
  }

  private succeed(): void {
    const wasOpen = this.isOpen;
    this.succeededAt = performance.now();
    this.failures = 0;
    if (!wasOpen) return;
    this.events.closed(this.succeededAt - this.openedAt, this.refused);
    this.refused = 0;
  }

  private fail(error: unknown, startedAt: number): void {
    this.failures++;
    this.lastFailure = error;
    if (this.failures !== FAILURES) return;
    this.openedAt = performance.now();
    this.probeAt = startedAt + PAUSE;
    this.events.opened(error);
  }
}

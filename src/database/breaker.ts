import { setTimeout as delay } from 'node:timers/promises';
import { DeadlineError } from '../problems/deadline.js';
import { ProblemError } from '../problems/problem-error.js';

/** Failures in a row that open it. */
const FAILURES = 3;
/** Milliseconds between two probes. */
const PAUSE = 100;

export interface BreakerOptions {
  /** Succeeds when PostgreSQL can be used again. */
  probe(): Promise<unknown>;
  /** Whether an error came from a PostgreSQL that can be used: it counts as a success. */
  isAnswer(error: unknown): boolean;
  opened(cause: unknown): void;
  /** @param after milliseconds. @param refused how many calls were refused meanwhile. */
  closed(after: number, refused: number): void;
}

/**
 * Refuses calls at once while PostgreSQL cannot be used: after a time-out, or three other failures in a row. Meanwhile it probes, one
 * probe at a time and ten a second at most, until one succeeds. Calls are no probes: those that share a batch would all wait for it.
 */
export class Breaker {
  private failures = 0;
  private succeededAt = -Infinity;
  private openedAt = 0;
  private refused = 0;

  constructor(private readonly options: BreakerOptions) {}

  get isOpen(): boolean {
    return this.failures >= FAILURES;
  }

  /** @throws {ProblemError} `unavailable` at once, without a call, while PostgreSQL cannot be used. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.isOpen) {
      this.refused++;
      const cause = new Error('PostgreSQL cannot be used, and was not asked for this request');
      throw new ProblemError('unavailable', 'The service cannot answer right now.', { cause });
    }
    const startedAt = performance.now();
    try {
      const result = await call();
      this.succeed();
      return result;
    } catch (error) {
      if (this.options.isAnswer(error)) this.succeed();
      // One that began before the last success says nothing about the time after it.
      else if (startedAt >= this.succeededAt) this.fail(error);
      throw error;
    }
  }

  private succeed(): void {
    const wasOpen = this.isOpen;
    this.succeededAt = performance.now();
    this.failures = 0;
    if (!wasOpen) return;
    this.options.closed(this.succeededAt - this.openedAt, this.refused);
    this.refused = 0;
  }

  private fail(error: unknown): void {
    const before = this.failures;
    // All that share the batch waited for a time-out, and nothing else succeeded meanwhile.
    this.failures += error instanceof DeadlineError ? FAILURES : 1;
    if (before >= FAILURES || this.failures < FAILURES) return;
    this.openedAt = performance.now();
    this.options.opened(error);
    void this.probe();
  }

  private async probe(): Promise<void> {
    while (this.isOpen) {
      try {
        await this.options.probe();
        this.succeed();
      } catch (error) {
        if (this.options.isAnswer(error)) this.succeed();
        else await delay(PAUSE, undefined, { ref: false });
      }
    }
  }
}

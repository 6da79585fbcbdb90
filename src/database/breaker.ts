import { setTimeout as delay } from 'node:timers/promises';
import { ProblemError } from '../problems/problem-error.js';

/** Milliseconds that calls wait for the first probe. */
const DOUBT = 200;
/** Milliseconds between two probes. */
const PAUSE = 100;

export interface BreakerOptions {
  /** Succeeds when PostgreSQL can be used. */
  probe(): Promise<unknown>;
  /** Whether an error came from a PostgreSQL that can be used: it counts as a success. */
  isAnswer(error: unknown): boolean;
  opened(cause: unknown): void;
  /** @param after milliseconds. @param refused how many calls were refused meanwhile. */
  closed(after: number, refused: number): void;
}

/**
 * Refuses calls at once while PostgreSQL cannot be used. When a call fails, or its time is over, a probe is made; it opens the breaker
 * when it fails, or has no answer after 200 ms, for which further calls wait. From then on one probe at a time is made, ten a
 * second at most, until one succeeds. Calls are no probes: all that share their batch would have to wait.
 */
export class Breaker {
  private open = false;
  private inDoubt = false;
  private probing = false;
  private succeededAt = -Infinity;
  private openedAt = 0;
  private openedBy: unknown;
  private refused = 0;
  /** Pending from the first failure until the breaker opens, or PostgreSQL turns out to be usable. */
  private verdict: Promise<void> | undefined;
  private settle: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: BreakerOptions) {}

  get isOpen(): boolean {
    return this.open;
  }

  /** @throws {ProblemError} `unavailable` at once, without a call, while PostgreSQL cannot be used. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.verdict !== undefined) await this.verdict;
    if (this.open) {
      this.refused++;
      const cause = new Error('PostgreSQL cannot be used, and was not asked for this request', {
        cause: this.openedBy,
      });
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
    this.succeededAt = performance.now();
    if (!this.inDoubt) return;
    this.inDoubt = false;
    this.endDoubt();
    if (!this.open) return;
    this.open = false;
    this.options.closed(this.succeededAt - this.openedAt, this.refused);
    this.refused = 0;
  }

  private fail(cause: unknown): void {
    if (this.inDoubt) return;
    this.inDoubt = true;
    this.verdict = new Promise((resolve) => (this.settle = resolve));
    this.timer = setTimeout(() => {
      this.refuseCalls(cause);
    }, DOUBT).unref();
    if (!this.probing) void this.probe(cause);
  }

  private async probe(cause: unknown): Promise<void> {
    this.probing = true;
    while (this.inDoubt) {
      try {
        await this.options.probe();
        this.succeed();
      } catch (error) {
        if (this.options.isAnswer(error)) this.succeed();
        else {
          this.refuseCalls(cause);
          await delay(PAUSE, undefined, { ref: false });
        }
      }
    }
    this.probing = false;
  }

  private refuseCalls(cause: unknown): void {
    if (this.open || !this.inDoubt) return;
    this.open = true;
    this.openedAt = performance.now();
    this.openedBy = cause;
    this.options.opened(cause);
    this.endDoubt();
  }

  private endDoubt(): void {
    clearTimeout(this.timer);
    this.settle?.();
    this.verdict = undefined;
  }
}

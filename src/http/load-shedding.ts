import { ProblemError } from '../problems/problem-error.js';
import type { ServerState } from './server-state.js';

/** Milliseconds between two looks at the event loop. */
export const INTERVAL_MS = 250;
/** The share of its time at work from which on the event loop is busy. */
const BUSY = 0.7;
/** So many looks in a row have to find it busy: a pause, or a burst, is no overload. */
const LOOKS = 2;
/** Milliseconds that a request may have to wait for its answer while the event loop is busy. */
const MAX_WAIT_MS = 200;
/** So many requests under way are never too many: a burst right after the start, before code is compiled, is no overload. */
const ALWAYS_ADMITTED = 500;

export const TOO_MUCH = new ProblemError('unavailable', 'The service has more requests than it can answer in time.');

/**
 * Refuses what cannot be answered in time. While the event loop has time to spare, all is admitted. Once it is busy, a request
 * waits for all those before it: as many are under way at most as were answered, lately, in the time that one may wait.
 */
export class LoadShedding {
  private readonly timer = setInterval(() => {
    this.look();
  }, INTERVAL_MS).unref();
  private last: { utilization: ReturnType<typeof performance.eventLoopUtilization>; answered: number };
  private rate = 0;
  private looks = 0;
  /** The most requests under way. */
  private limit = Infinity;
  private shed = false;

  /** @param utilization of the event loop, as `performance.eventLoopUtilization`. */
  constructor(
    private readonly state: ServerState,
    private readonly utilization = performance.eventLoopUtilization.bind(performance),
  ) {
    this.last = { utilization: utilization(), answered: state.answered };
  }

  /** Whether the request that has just come has to be refused. */
  isTooMuch(): boolean {
    if (this.state.underWay <= this.limit) return false;
    this.shed = true;
    this.state.shed++;
    return true;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const { state, last, rate } = this;
    const now = { utilization: this.utilization(), answered: state.answered };
    const { active, idle, utilization } = this.utilization(now.utilization, last.utilization);
    this.looks = utilization > BUSY ? this.looks + 1 : 0;
    this.rate = (now.answered - last.answered) / (active + idle);
    this.limit = this.looks < LOOKS ? Infinity : Math.max(ALWAYS_ADMITTED, Math.max(rate, this.rate) * MAX_WAIT_MS);
    this.last = now;
    state.shedding = this.shed;
    this.shed = false;
  }
}

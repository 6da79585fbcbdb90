import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { INTERVAL_MS, LoadShedding } from '../../src/http/load-shedding.js';
import { ServerState } from '../../src/http/server-state.js';

let state: ServerState;
let utilization: number;
let load: LoadShedding;

beforeEach(() => {
  vi.useFakeTimers();
  state = new ServerState();
  utilization = 1;
  load = new LoadShedding(state, () => {
    return { idle: (1 - utilization) * INTERVAL_MS, active: utilization * INTERVAL_MS, utilization };
  });
});

afterEach(() => {
  load.stop();
  vi.useRealTimers();
});

/** Lets some intervals pass, each with so many answers. */
function pass(intervals: number, answers: number): void {
  for (let i = 0; i < intervals; i++) {
    state.answered += answers;
    vi.advanceTimersByTime(INTERVAL_MS);
  }
}

describe('load shedding', () => {
  it('admits all while the event loop has time to spare, however many wait for PostgreSQL', () => {
    utilization = 0.6;
    pass(10, 0);
    state.underWay = 10_000;
    expect(load.isTooMuch()).toBe(false);
  });

  it('admits, when the event loop is busy, as many as are answered in 200 ms', () => {
    pass(4, 1_000);
    state.underWay = 800;
    expect(load.isTooMuch()).toBe(false);
    state.underWay = 801;
    expect(load.isTooMuch()).toBe(true);
  });

  it('admits some, however slow the answers are', () => {
    pass(4, 1);
    state.underWay = 500;
    expect(load.isTooMuch()).toBe(false);
    state.underWay = 501;
    expect(load.isTooMuch()).toBe(true);
  });

  it('does not take a pause of the process for an overload', () => {
    utilization = 0.1;
    pass(4, 100);
    utilization = 1;
    pass(1, 1);
    state.underWay = 10_000;
    expect(load.isTooMuch()).toBe(false);
  });

  it('is over as soon as the event loop has time to spare', () => {
    pass(4, 1_000);
    state.underWay = 801;
    expect(load.isTooMuch()).toBe(true);
    utilization = 0.6;
    pass(1, 1_000);
    expect(load.isTooMuch()).toBe(false);
  });

  it('is known to the readiness for as long as it goes on', () => {
    pass(4, 1_000);
    state.underWay = 801;
    load.isTooMuch();
    pass(1, 1_000);
    expect(state.shedding).toBe(true);
    pass(1, 1_000);
    expect(state.shedding).toBe(false);
  });
});

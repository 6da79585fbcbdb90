import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Breaker } from '../../src/database/breaker.js';

const AWAY = new Error('no answer');
const ANSWER = new Error('a value is wrong');

let breaker: Breaker;
let events: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'], now: 1_000_000 });
  vi.advanceTimersByTime(1_000);
  events = [];
  breaker = new Breaker((error) => error === ANSWER, {
    opened: (cause) => events.push(`opened: ${(cause as Error).message}`),
    closed: (after, refused) => events.push(`closed after ${after} ms, ${refused} refused`),
  });
});

afterEach(() => {
  vi.useRealTimers();
});

const fails = () => Promise.reject(AWAY);
const succeeds = () => Promise.resolve('rows');

/** What became of a call: `tried` and failed, or `refused` without a try. */
async function outcome(call: () => Promise<string>): Promise<string> {
  let failed = 'refused';
  const tried = (): Promise<string> => {
    failed = 'tried';
    vi.advanceTimersByTime(1);
    return call();
  };
  return breaker.run(tried).catch(() => failed);
}

/** A call that ends when it is told to. */
function slowCall() {
  let end: { resolve: (rows: string) => void; reject: (error: Error) => void } | undefined;
  const promise = new Promise<string>((resolve, reject) => (end = { resolve, reject }));
  return { call: () => promise, succeed: () => end?.resolve('rows'), fail: () => end?.reject(AWAY) };
}

async function open(): Promise<void> {
  for (let i = 0; i < 3; i++) expect(await outcome(fails)).toBe('tried');
}

describe('after three failures in a row', () => {
  it('calls are refused at once, and the log hears of it once', async () => {
    await open();
    for (let i = 0; i < 5; i++) expect(await outcome(succeeds)).toBe('refused');
    expect(events).toEqual(['opened: no answer']);
  });

  it('one call at a time is a probe, a tenth of a second after the one before at the earliest', async () => {
    await open();
    vi.advanceTimersByTime(100);
    const probe = slowCall();
    const probing = outcome(probe.call);
    vi.advanceTimersByTime(5_000);
    expect(await outcome(succeeds)).toBe('refused');
    probe.fail();
    expect(await probing).toBe('tried');
    // That one took longer than the pause.
    expect(await outcome(fails)).toBe('tried');
    expect(await outcome(succeeds)).toBe('refused');
    vi.advanceTimersByTime(100);
    expect(await outcome(fails)).toBe('tried');
  });

  it('the first success lets all calls through again', async () => {
    await open();
    expect(await outcome(succeeds)).toBe('refused');
    vi.advanceTimersByTime(100);
    expect(await outcome(succeeds)).toBe('rows');
    for (let i = 0; i < 5; i++) expect(await outcome(succeeds)).toBe('rows');
    expect(events).toEqual(['opened: no answer', 'closed after 101 ms, 1 refused']);
  });

  it('so does the success of a call that was under way', async () => {
    const slow = slowCall();
    const waiting = outcome(slow.call);
    await open();
    slow.succeed();
    expect(await waiting).toBe('rows');
    expect(await outcome(succeeds)).toBe('rows');
  });
});

describe('calls go on', () => {
  it('while at least one in three succeeds', async () => {
    for (let i = 0; i < 10; i++) {
      expect(await outcome(fails)).toBe('tried');
      expect(await outcome(fails)).toBe('tried');
      expect(await outcome(succeeds)).toBe('rows');
    }
    expect(events).toEqual([]);
  });

  it('while PostgreSQL answers with errors', async () => {
    for (let i = 0; i < 10; i++) expect(await outcome(() => Promise.reject(ANSWER))).toBe('tried');
  });

  it('when calls fail late that began before the last success', async () => {
    const slow = slowCall();
    const waiting = Array.from({ length: 10 }, () => outcome(slow.call));
    expect(await outcome(succeeds)).toBe('rows');
    slow.fail();
    expect(await Promise.all(waiting)).toEqual(Array(10).fill('tried'));
    expect(await outcome(succeeds)).toBe('rows');
    expect(events).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Breaker } from '../../src/database/breaker.js';
import { DeadlineError } from '../../src/problems/deadline.js';

const AWAY = new Error('connection refused');
const TIMED_OUT = new DeadlineError('answer');
const ANSWER = new Error('a value is wrong');

let breaker: Breaker;
let events: string[];
/** What PostgreSQL does with a probe; resolved when it has come. */
let probed: (() => Promise<void>) | undefined;
let probes: number;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  vi.advanceTimersByTime(1_000);
  events = [];
  probes = 0;
  probed = undefined;
  breaker = new Breaker({
    probe: () => {
      probes++;
      return probed?.() ?? new Promise(() => undefined);
    },
    isAnswer: (error) => error === ANSWER,
    opened: (cause) => events.push(`opened: ${(cause as Error).message}`),
    closed: (after, refused) => events.push(`closed after ${after} ms, ${refused} refused`),
  });
});

afterEach(() => {
  vi.useRealTimers();
});

const succeeds = () => Promise.resolve('rows');
const fails = (error: Error) => () => Promise.reject<string>(error);

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

/** A promise and what settles it. */
function settleable<T>() {
  let settle: { resolve: (value: T) => void; reject: (error: Error) => void } | undefined;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, resolve: (value: T) => settle?.resolve(value), reject: (error: Error) => settle?.reject(error) };
}

describe('calls are refused at once', () => {
  it('after a time-out', async () => {
    expect(await outcome(fails(TIMED_OUT))).toBe('tried');
    for (let i = 0; i < 5; i++) expect(await outcome(succeeds)).toBe('refused');
    expect(events).toEqual([`opened: ${TIMED_OUT.message}`]);
  });

  it('after three other failures in a row', async () => {
    for (let i = 0; i < 3; i++) expect(await outcome(fails(AWAY))).toBe('tried');
    for (let i = 0; i < 5; i++) expect(await outcome(succeeds)).toBe('refused');
    expect(events).toEqual([`opened: ${AWAY.message}`]);
  });

  it('while one probe at a time is made, until the first that succeeds', async () => {
    let answer = settleable<undefined>();
    probed = () => answer.promise;
    await outcome(fails(TIMED_OUT));
    expect(probes).toBe(1);
    expect(await outcome(succeeds)).toBe('refused');
    const first = answer;
    answer = settleable();
    first.reject(AWAY);
    await vi.waitUntil(() => probes === 2);
    expect(await outcome(succeeds)).toBe('refused');
    answer.resolve(undefined);
    await vi.waitUntil(() => !breaker.isOpen);
    expect(await outcome(succeeds)).toBe('rows');
    expect(probes).toBe(2);
    expect(events.at(-1)).toMatch(/^closed after \d+ ms, 2 refused$/);
  });

  it('until a call succeeds that was under way', async () => {
    const slow = settleable<string>();
    const waiting = outcome(() => slow.promise);
    await outcome(fails(TIMED_OUT));
    expect(await outcome(succeeds)).toBe('refused');
    slow.resolve('rows');
    expect(await waiting).toBe('rows');
    expect(await outcome(succeeds)).toBe('rows');
  });
});

describe('calls go on', () => {
  it('while at least one in three succeeds', async () => {
    for (let i = 0; i < 10; i++) {
      expect(await outcome(fails(AWAY))).toBe('tried');
      expect(await outcome(fails(AWAY))).toBe('tried');
      expect(await outcome(succeeds)).toBe('rows');
    }
    expect(events).toEqual([]);
  });

  it('while PostgreSQL answers with errors', async () => {
    for (let i = 0; i < 10; i++) expect(await outcome(fails(ANSWER))).toBe('tried');
  });

  it('when calls fail late that began before the last success', async () => {
    const slow = settleable<string>();
    const waiting = Array.from({ length: 10 }, () => outcome(() => slow.promise));
    expect(await outcome(succeeds)).toBe('rows');
    slow.reject(TIMED_OUT);
    expect(await Promise.all(waiting)).toEqual(Array(10).fill('tried'));
    expect(await outcome(succeeds)).toBe('rows');
    expect(events).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Breaker } from '../../src/database/breaker.js';
import { DeadlineError } from '../../src/problems/deadline.js';

const AWAY = new Error('connection refused');
const TIMED_OUT = new DeadlineError('answer');
const ANSWER = new Error('a value is wrong');

let breaker: Breaker;
let events: string[];
/** Each test's own: a breaker that is open goes on probing. */
let postgres: { probes: number; answer: () => Promise<unknown> };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  vi.advanceTimersByTime(1_000);
  events = [];
  const server = { probes: 0, answer: () => new Promise<unknown>(() => undefined) };
  postgres = server;
  breaker = new Breaker({
    probe: () => {
      server.probes++;
      return server.answer();
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

describe('when a call fails', () => {
  it('calls go on where the probe succeeds, and the log says nothing', async () => {
    postgres.answer = () => Promise.resolve();
    expect(await outcome(fails(TIMED_OUT))).toBe('tried');
    expect(await outcome(succeeds)).toBe('rows');
    expect(postgres.probes).toBe(1);
    expect(events).toEqual([]);
  });

  it('they go on where the probe is answered with an error', async () => {
    postgres.answer = () => Promise.reject(ANSWER);
    expect(await outcome(fails(AWAY))).toBe('tried');
    expect(await outcome(succeeds)).toBe('rows');
  });

  it('they wait for the probe, and are refused where it fails', async () => {
    const answer = settleable<string>();
    postgres.answer = () => answer.promise;
    expect(await outcome(fails(AWAY))).toBe('tried');
    const waiting = outcome(succeeds);
    answer.reject(AWAY);
    expect(await waiting).toBe('refused');
    expect(events).toEqual(['opened: connection refused']);
  });

  it('they wait for the probe, and are refused where it is not answered soon', async () => {
    expect(await outcome(fails(TIMED_OUT))).toBe('tried');
    expect(await outcome(succeeds)).toBe('refused');
    expect(events).toEqual([`opened: ${TIMED_OUT.message}`]);
  });
});

describe('calls are refused at once', () => {
  it('while one probe at a time is made, until the first that succeeds', async () => {
    let answer = settleable<string>();
    postgres.answer = () => answer.promise;
    await outcome(fails(AWAY));
    expect(await outcome(succeeds)).toBe('refused');
    expect(postgres.probes).toBe(1);
    const first = answer;
    answer = settleable();
    first.reject(AWAY);
    await vi.waitUntil(() => postgres.probes === 2);
    expect(await outcome(succeeds)).toBe('refused');
    answer.resolve('');
    await vi.waitUntil(() => !breaker.isOpen);
    expect(await outcome(succeeds)).toBe('rows');
    expect(postgres.probes).toBe(2);
    expect(events.at(-1)).toMatch(/^closed after \d+ ms, 2 refused$/);
  });

  it('until a call succeeds that was under way', async () => {
    const slow = settleable<string>();
    const waiting = outcome(() => slow.promise);
    await outcome(fails(AWAY));
    expect(await outcome(succeeds)).toBe('refused');
    slow.resolve('rows');
    expect(await waiting).toBe('rows');
    expect(await outcome(succeeds)).toBe('rows');
  });
});

describe('calls go on, without a probe,', () => {
  it('while PostgreSQL answers with errors', async () => {
    for (let i = 0; i < 10; i++) expect(await outcome(fails(ANSWER))).toBe('tried');
    expect(postgres.probes).toBe(0);
  });

  it('when calls fail late that began before the last success', async () => {
    const slow = settleable<string>();
    const waiting = Array.from({ length: 10 }, () => outcome(() => slow.promise));
    expect(await outcome(succeeds)).toBe('rows');
    slow.reject(TIMED_OUT);
    expect(await Promise.all(waiting)).toEqual(Array(10).fill('tried'));
    expect(await outcome(succeeds)).toBe('rows');
    expect(postgres.probes).toBe(0);
  });
});

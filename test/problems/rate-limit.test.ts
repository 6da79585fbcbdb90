import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../src/problems/rate-limit.js';

const MINUTE = 60_000;

/** How many of so many requests at one moment are allowed. */
function allowed(limit: RateLimit, key: string, requests: number, now: number): number {
  return Array.from({ length: requests }, () => limit.refusal(key, now)).filter((refusal) => refusal === undefined)
    .length;
}

const secondsToWait = (limit: RateLimit, key: string, now: number): number =>
  Number(limit.refusal(key, now)?.headers['Retry-After']);

describe('a limit per minute', () => {
  it('allows as many requests at once, and refuses the next with what the draft on rate limits asks for', () => {
    const limit = new RateLimit('client', 3);
    expect(allowed(limit, 'alice', 3, 10_000)).toBe(3);
    expect(limit.refusal('alice', 10_000)).toMatchObject({
      code: 'rate_limited',
      status: 429,
      detail: 'This client may make 3 requests a minute. Try again in 61 s.',
      headers: { 'Retry-After': '61', 'RateLimit-Policy': '"client";q=3;w=60', RateLimit: '"client";r=0;t=61' },
    });
  });

  it('slides: who used all of it at the end of a minute does not get as much again in the next moment', () => {
    const limit = new RateLimit('client', 60);
    expect(allowed(limit, 'someone else', 1, 0)).toBe(1);
    expect(allowed(limit, 'alice', 100, MINUTE - 1)).toBe(60);
    expect(allowed(limit, 'alice', 100, MINUTE + 1)).toBe(1);
    expect(allowed(limit, 'alice', 100, MINUTE + 30_000)).toBe(30 - 1);
    expect(allowed(limit, 'alice', 100, 4 * MINUTE)).toBe(60);
  });

  it('of one request is one a minute, not one in two', () => {
    const limit = new RateLimit('client', 1);
    expect(allowed(limit, 'alice', 2, 0)).toBe(1);
    expect(secondsToWait(limit, 'alice', 0)).toBe(61);
    expect(allowed(limit, 'alice', 2, 61_000)).toBe(1);
  });
});

const key = fc.constantFrom('a', 'b', 'c');
/** Requests, each some milliseconds after the one before. */
const requests = fc.array(fc.tuple(key, fc.oneof(fc.nat(50), fc.nat(3 * MINUTE))), { maxLength: 200 });

describe('whatever requests come', () => {
  it('in n minutes after the first, a key gets n + 1 times its limit at most', () => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 1, max: 20 }), (asked, perMinute) => {
        const limit = new RateLimit('client', perMinute);
        const times = new Map<string, number[]>();
        let now = 0;
        for (const [name, later] of asked) {
          now += later;
          if (limit.refusal(name, now) === undefined) times.set(name, [...(times.get(name) ?? []), now]);
        }
        for (const moments of times.values()) {
          moments.forEach((first, i) => {
            moments.slice(i).forEach((last, j) => {
              expect(j + 1).toBeLessThanOrEqual((Math.floor((last - first) / MINUTE) + 2) * perMinute);
            });
          });
        }
      }),
    );
  });

  it('who waits as long as a refusal says is allowed', () => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 1, max: 20 }), (asked, perMinute) => {
        const limit = new RateLimit('client', perMinute);
        let now = 0;
        for (const [name, later] of asked) {
          now += later;
          const refusal = limit.refusal(name, now);
          if (refusal === undefined) continue;
          const wait = Number(refusal.headers['Retry-After']);
          expect(wait).toBeGreaterThanOrEqual(1);
          now += wait * 1000;
          expect(limit.refusal(name, now)).toBeUndefined();
        }
      }),
    );
  });

  it('nobody uses up the share of another key', () => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 1, max: 20 }), (asked, perMinute) => {
        const together = new RateLimit('client', perMinute);
        const alone = new RateLimit('client', perMinute);
        // The minutes of a limit begin with its first request.
        together.refusal('first', 0);
        alone.refusal('first', 0);
        let now = 0;
        for (const [name, later] of asked) {
          now += later;
          const answer = together.refusal(name, now)?.detail;
          if (name === 'a') expect(answer).toBe(alone.refusal(name, now)?.detail);
        }
      }),
    );
  });
});

describe('a flood of keys', () => {
  it('takes no more memory than two windows of keys, and none of its keys is refused', () => {
    const limit = new RateLimit('address', 60, 1_000);
    let refused = 0;
    for (let i = 0; i < 20_000; i++) if (limit.refusal(`stranger ${i}`, 10 * i) !== undefined) refused++;
    expect(refused).toBe(0);
    expect(limit.size).toBe(2_000);
  });

  it('does not free a key at its limit', () => {
    const limit = new RateLimit('address', 60, 1_000);
    expect(allowed(limit, 'abuser', 100, 0)).toBe(60);
    for (let i = 0; i < 20_000; i++) limit.refusal(`stranger ${i}`, 1);
    expect(allowed(limit, 'abuser', 100, 1)).toBe(0);
  });

  it('does not free one that begins amid it', () => {
    const limit = new RateLimit('address', 60, 1_000);
    let abused = 0;
    for (let i = 0; i < 20_000; i++) {
      limit.refusal(`stranger ${i}`, 1);
      if (i % 100 === 0) abused += allowed(limit, 'abuser', 2, 1);
    }
    expect(abused).toBe(60);
  });
});

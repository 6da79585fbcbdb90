import { afterEach, describe, expect, it, vi } from 'vitest';
import { nowMicroseconds, timestampText } from '../../src/signature/timestamp.js';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the text of a timestamp', () => {
  it.each([
    ['seconds.micros', 1450166986392033, '1450166986.392033'],
    ['seconds.micros', 1450167470055770, '1450167470.055770'],
    ['seconds.micros', 1450167470000007, '1450167470.000007'],
    ['seconds', 1450166986999999, '1450166986'],
    ['milliseconds', 1450166986392999, '1450166986392'],
  ] as const)('as %s, %d is %s', (format, microseconds, text) => {
    expect(timestampText(format, microseconds)).toBe(text);
  });
});

describe('now', () => {
  it('is within the millisecond of the system clock', () => {
    for (let i = 0; i < 1000; i++) {
      const before = Date.now();
      const now = nowMicroseconds();
      expect(now).toBeGreaterThanOrEqual(before * 1000);
      expect(now).toBeLessThan((Date.now() + 1) * 1000);
    }
  });

  it.each([
    ['forward', 3_600_000],
    ['back', -3_600_000],
  ])('follows the system clock when it is set %s', (_way, step) => {
    nowMicroseconds();
    const set = Date.now() + step;
    vi.spyOn(Date, 'now').mockReturnValue(set);
    expect(Math.floor(nowMicroseconds() / 1000)).toBe(set);
  });
});

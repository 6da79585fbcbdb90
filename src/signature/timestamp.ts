import type { TimestampFormat } from '../apps/app.entity.js';

/** Milliseconds (LeanCloud, "Realtime messaging signatures": a signature is good for 6 hours). */
export const MAX_AGE = 6 * 3_600_000;
/** Milliseconds by which the clock that signed may be ahead. */
export const MAX_AHEAD = 5 * 60_000;

/** Wall clock minus monotonic clock, in milliseconds. */
let offset = Date.now() - performance.now();

/**
 * Now, in whole microseconds since 1970. The milliseconds are the wall clock's, which may be set while the process runs; the
 * microseconds are the monotonic clock's, realigned whenever the two differ by a millisecond.
 */
export function nowMicroseconds(): number {
  const wall = Date.now();
  let now = offset + performance.now();
  if (now < wall || now >= wall + 1) {
    offset += wall - now;
    now = wall;
  }
  return Math.floor(now * 1000);
}

/** The time as signed and answered (docs/design.md, "Contract"). @param microseconds since 1970, whole. */
export function timestampText(format: TimestampFormat, microseconds: number): string {
  if (format === 'milliseconds') return String(Math.floor(microseconds / 1000));
  const seconds = Math.floor(microseconds / 1_000_000);
  return format === 'seconds' ? String(seconds) : `${seconds}.${String(microseconds % 1_000_000).padStart(6, '0')}`;
}

/** When something was signed, in milliseconds since 1970. @param timestamp in any of the formats. */
export function signedAt(timestamp: string): number {
  const number = Number(timestamp);
  // Seconds until the year 5138, milliseconds since 1973.
  return number < 1e11 ? number * 1000 : number;
}

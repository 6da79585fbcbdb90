import type { TimestampFormat } from '../apps/app.entity.js';

/** The monotonic clock's distance from the wall clock, in milliseconds. */
let offset = Date.now() - performance.now();

/**
 * Now, in whole microseconds since 1970. The milliseconds are the system clock's, which may be set while the process runs;
 * what is finer comes from the monotonic clock, anchored anew whenever the two differ by a millisecond.
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

/**
 * The text of a moment as it is signed and answered.
 *
 * @param microseconds whole microseconds since 1970.
 */
export function timestampText(format: TimestampFormat, microseconds: number): string {
  const seconds = Math.floor(microseconds / 1_000_000);
  switch (format) {
    case 'seconds.micros':
      return `${seconds}.${String(microseconds % 1_000_000).padStart(6, '0')}`;
    case 'seconds':
      return String(seconds);
    case 'milliseconds':
      return String(Math.floor(microseconds / 1000));
  }
}

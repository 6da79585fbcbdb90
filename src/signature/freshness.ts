import { type Moment, msSince } from '../database/moment.js';
import { Problem } from '../operations/problem.js';

/** Milliseconds: DESIGN's second for a change to be in force, less what the way of the answer takes. */
const FRESH = 950;

/** Whether an answer may be given on look-ups that take in what was committed before this moment, and perhaps nothing since. */
export function isFresh(knownUntil: Moment): boolean {
  return msSince(knownUntil) <= FRESH;
}

/** @param cause what would have been answered. */
export function staleLookUps(cause?: unknown): Problem {
  return new Problem('unavailable', 'The look-ups took so long that what they found may not hold any more.', {
    cause,
  });
}

import { ProblemError } from './problem-error.js';

/** What is waited for is not there in time; for the log, `cause` says what it is. */
export class DeadlineError extends ProblemError {
  constructor(what: string) {
    super('unavailable', 'The answer was not ready in time.', { cause: new Error(`No ${what} in time`) });
  }
}

/**
 * Waits for some work, and no longer than to a deadline; the work itself goes on.
 *
 * @param deadline by `performance.now()`.
 * @param what the work is to bring, for the log.
 * @param late what becomes of a result that comes after the deadline.
 * @throws {DeadlineError} as soon as the deadline has passed.
 */
export function before<T>(
  deadline: number,
  what: string,
  work: Promise<T>,
  late?: (result: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      reject(new DeadlineError(what));
    }, deadline - performance.now());
    work.then(
      (result) => {
        clearTimeout(timer);
        if (over) late?.(result);
        else resolve(result);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

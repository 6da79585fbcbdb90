import { ProblemError } from './problem-error.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** When the request is refused if it is not answered yet, by `performance.now()`. */
    deadline: number;
  }
}

/** Some work was not done in time; `cause` names it for the log. */
export class DeadlineError extends ProblemError {
  constructor(what: string) {
    super('unavailable', 'The answer was not ready in time.', { cause: new Error(`No ${what} in time`) });
  }
}

/**
 * Waits for some work until a deadline; the work itself goes on.
 *
 * @param deadline by `performance.now()`.
 * @param what the work brings, for the log.
 * @param late takes a result that comes after the deadline.
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

/** A limit to work of several steps. */
export interface Deadline {
  /** An `AbortSignal` that aborts at the end, where there are any. */
  readonly signal: object | undefined;
  /** Milliseconds that are left. */
  readonly left: () => number;
  /** Waits for one step. Rejects at the end. */
  readonly within: <T>(step: T | Promise<T>) => Promise<T>;
  /** All steps are done. */
  readonly clear: () => void;
}

/** Starts now. `late` makes the error. */
export function startDeadline(ms: number, late: () => Error): Deadline {
  const ends = Date.now() + ms;
  const controller = typeof AbortController === 'function' ? new AbortController() : undefined;
  let timer!: ReturnType<typeof setTimeout>;
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(late());
      controller?.abort();
    }, ms);
  });
  return {
    signal: controller?.signal,
    left: () => Math.max(1, ends - Date.now()),
    within: (step) => Promise.race([step, end]),
    clear: () => {
      clearTimeout(timer);
    },
  };
}

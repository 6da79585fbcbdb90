import { constants, openSync, writeSync } from 'node:fs';

/** Milliseconds between attempts to say how many lines were lost, where no line comes that would do so. */
const RETRY_INTERVAL = 1_000;
const NOTHING = Buffer.alloc(0);

/** A descriptor of standard output on which no write waits for a reader. */
export function standardOutput(): number {
  const { fd, isTTY } = process.stdout;
  // Of a pipe or a socket, Node makes it so.
  if (!isTTY) return fd;
  try {
    // Node makes a terminal's blocking: after Ctrl-S, the first line would stop the service. Opened anew, as others share its flags.
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    // Not Linux, or the terminal belongs to another account.
    return fd;
  }
}

/**
 * Writes the lines of the log to a file descriptor, at once and without ever failing. A line that cannot be written is lost and
 * counted: the disk is full, or the reader has gone, or does not read.
 */
export class LogSink {
  /** Lines lost so far. */
  lost = 0;
  private told = 0;
  /** The end of a line whose beginning was written. */
  private rest = NOTHING;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly fd: number) {}

  /**
   * @param line ends with a line break.
   * @param lostLine makes the line that says how many lines were lost; it is written before the next line that can be.
   */
  write(line: string, lostLine: (count: number) => string): void {
    if (this.tellLost(lostLine) && this.put(line)) return;
    this.lost++;
    this.timer ??= setInterval(() => {
      if (this.tellLost(lostLine)) this.stopTimer();
    }, RETRY_INTERVAL).unref();
  }

  /** @returns whether nothing is left to be told. */
  private tellLost(lostLine: (count: number) => string): boolean {
    const { lost } = this;
    if (lost === this.told) return true;
    if (!this.put(lostLine(lost - this.told))) return false;
    this.told = lost;
    return true;
  }

  /** @returns whether the text is written, or its end waits to be. */
  private put(text: string): boolean {
    this.flushRest();
    if (this.rest.length > 0) return false;
    const bytes = Buffer.from(text);
    this.rest = bytes;
    this.flushRest();
    if (this.rest.length < bytes.length) return true;
    this.rest = NOTHING;
    return false;
  }

  private flushRest(): void {
    try {
      while (this.rest.length > 0) this.rest = this.rest.subarray(writeSync(this.fd, this.rest));
    } catch {
      // What is left stays in `rest`.
    }
  }

  private stopTimer(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

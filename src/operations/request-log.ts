import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type ProblemCode, ProblemError, PROBLEMS } from '../problems/problem-error.js';
import { type LogFields, ServiceLogger } from './service-logger.js';

/** Milliseconds in which refusals with one code share their lines, and after which one that was not seen again has ended. */
const PERIOD = 10_000;
/** Lines for each code in a period. */
const MAX_LINES = 10;
/** Causes of failures that are told apart at a time; a cause may name an app. */
const MAX_CAUSES = 100;

/** Refusals that share lines: those with one code, or failures with one cause. */
interface Series {
  readonly message: string;
  /** What they share beside it. */
  readonly fields: LogFields;
  readonly since: number;
  last: number;
  count: number;
  lines: number;
}

/**
 * A line for each refusal, and for each that shadow mode keeps back, and at `debug` for each answer. What floods is counted: of
 * refusals the first ten with each code in ten seconds have a line, and of failures (`503`) the first one with each cause, and
 * then the end. At `debug` all have one.
 */
@Injectable()
export class RequestLog implements OnApplicationShutdown {
  /** Refusals so far that have no line of their own. */
  counted = 0;
  private readonly refusals = new Map<string, Series>();
  private readonly failures = new Map<string, Series>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly logger: ServiceLogger) {}

  /** Whether each answer has a line. */
  get all(): boolean {
    return this.logger.isEnabled('debug');
  }

  answered(fields: LogFields): void {
    this.logger.write('debug', 'Request', 'Answered', fields);
  }

  refused({ code, status, detail, cause }: ProblemError, fields: LogFields): void {
    const { title } = PROBLEMS[code];
    if (status < 500) {
      this.writeSome(title, { code }, fields);
    } else {
      const message = `${title}: ${cause instanceof Error ? cause.message : detail}`;
      const known = this.failures.has(message) || this.failures.size < MAX_CAUSES;
      const series = seriesOf(this.failures, known ? message : 'further causes', {});
      const stack = series.count === 0 && cause instanceof Error ? cause.stack : undefined;
      if (this.countsOn(series, 1)) this.logger.write('error', 'Request', message, fields, stack);
    }
    this.startTimer();
  }

  /** A signature that would have been refused, were the app's rules enforced. */
  shadowed(code: ProblemCode, fields: LogFields): void {
    this.writeSome(`Signed in shadow mode: ${PROBLEMS[code].title}`, { shadow_refusal: code }, fields);
    this.startTimer();
  }

  onApplicationShutdown(): void {
    this.tell(Infinity, 'until the service ended');
  }

  /** Writes the first lines of a period with a message, and counts the others. */
  private writeSome(message: string, shared: LogFields, fields: LogFields): void {
    const series = seriesOf(this.refusals, message, shared);
    if (this.countsOn(series, MAX_LINES)) this.logger.write('info', 'Request', message, { ...fields, ...shared });
  }

  private startTimer(): void {
    this.timer ??= setInterval(() => {
      this.tell(performance.now() - PERIOD, `and none for ${PERIOD / 1000} s`);
    }, PERIOD / 10).unref();
  }

  /** @returns whether one more in a series has a line of its own. */
  private countsOn(series: Series, maxLines: number): boolean {
    series.last = performance.now();
    series.count++;
    if (series.lines >= maxLines && !this.all) {
      this.counted++;
      return false;
    }
    series.lines++;
    return true;
  }

  /** Tells of what began, or in the case of failures was last seen, before a time. @param ending how failures came to their end. */
  private tell(before: number, ending: string): void {
    for (const { message, fields, since, count, lines } of this.refusals.values()) {
      if (since > before) continue;
      this.refusals.delete(message);
      const more = count - lines;
      const text = `${more} more without a line: ${message}`;
      if (more > 0) this.logger.write('info', 'Request', text, { ...fields, more });
    }
    for (const { message, since, last, count } of this.failures.values()) {
      if (last > before) continue;
      this.failures.delete(message);
      const seconds = Math.ceil((last - since) / 1000);
      const text = `${count} refused within ${seconds} s, ${ending}: ${message}`;
      this.logger.write('warn', 'Request', text, { refused: count, seconds });
    }
    if (this.refusals.size + this.failures.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

function seriesOf(all: Map<string, Series>, message: string, fields: LogFields): Series {
  let series = all.get(message);
  if (series === undefined) {
    const now = performance.now();
    all.set(message, (series = { message, fields, since: now, last: now, count: 0, lines: 0 }));
  }
  return series;
}

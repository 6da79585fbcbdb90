import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ProblemError, PROBLEMS } from '../problems/problem-error.js';
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
  readonly since: number;
  last: number;
  count: number;
  lines: number;
}

/**
 * A line for each refusal, and at `debug` for each answer. What floods is counted: of refusals the first ten with each code in ten
 * seconds have a line, and of failures (`503`) the first one with each cause, and then the end. At `debug` all have one.
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
      const series = seriesOf(this.refusals, code, title);
      if (this.countsOn(series, MAX_LINES)) this.logger.write('info', 'Request', title, fields);
    } else {
      const message = `${title}: ${cause instanceof Error ? cause.message : detail}`;
      const known = this.failures.has(message) || this.failures.size < MAX_CAUSES;
      const series = seriesOf(this.failures, known ? message : '', known ? message : 'further causes');
      const stack = series.count === 0 && cause instanceof Error ? cause.stack : undefined;
      if (this.countsOn(series, 1)) this.logger.write('error', 'Request', message, fields, stack);
    }
    this.timer ??= setInterval(() => {
      this.tell(performance.now() - PERIOD, `and none for ${PERIOD / 1000} s`);
    }, PERIOD / 10).unref();
  }

  onApplicationShutdown(): void {
    this.tell(Infinity, 'until the service ended');
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
    for (const [code, { message, since, count, lines }] of this.refusals) {
      if (since > before) continue;
      this.refusals.delete(code);
      const more = count - lines;
      if (more > 0) this.logger.write('info', 'Request', `${more} more without a line: ${message}`, { code, more });
    }
    for (const [cause, { message, since, last, count }] of this.failures) {
      if (last > before) continue;
      this.failures.delete(cause);
      const seconds = Math.ceil((last - since) / 1000);
      const text = `${count} refused within ${seconds} s, ${ending}: ${message}`;
      this.logger.write('warn', 'Request', text, { refused: count, seconds });
    }
    if (this.refusals.size + this.failures.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

function seriesOf(all: Map<string, Series>, key: string, message: string): Series {
  let series = all.get(key);
  if (series === undefined) {
    const now = performance.now();
    all.set(key, (series = { message, since: now, last: now, count: 0, lines: 0 }));
  }
  return series;
}

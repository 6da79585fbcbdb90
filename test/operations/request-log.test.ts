import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readSettings } from '../../src/config/settings.js';
import { LogSink } from '../../src/operations/log-sink.js';
import { RequestLog } from '../../src/operations/request-log.js';
import { ServiceLogger } from '../../src/operations/service-logger.js';
import { ProblemError } from '../../src/problems/problem-error.js';

let lines: string[];

beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
});

afterEach(() => {
  vi.useRealTimers();
});

function logAt(level: string): RequestLog {
  const sink = Object.assign(new LogSink(-1), { write: (line: string) => void lines.push(line) });
  return new RequestLog(new ServiceLogger(readSettings({ LOG_LEVEL: level }), sink));
}

/** What was logged since the last call, without the time. */
function logged(): string[] {
  return lines.splice(0).map((line) => line.replace(/^\S+ \S+ /, '').trim());
}

const banned = new ProblemError('client_banned', 'The client is banned.');
const failure = (cause: string): ProblemError =>
  new ProblemError('unavailable', 'The service cannot answer right now.', { cause: new Error(cause) });

describe('a flood of refusals', () => {
  it('has ten lines in ten seconds, and one that says how many there were more', () => {
    const log = logAt('info');
    for (let i = 0; i < 1_000; i++) log.refused(banned, { request_id: String(i) });
    expect(logged()).toEqual(
      Array.from({ length: 10 }, (_, i) => `INFO  [Request] The client is banned request_id=${i} code=client_banned`),
    );
    vi.advanceTimersByTime(12_000);
    expect(logged()).toEqual([
      'INFO  [Request] 990 more without a line: The client is banned code=client_banned more=990',
    ]);
    expect(log.counted).toBe(990);
    log.refused(banned, { request_id: 'later' });
    expect(logged()).toEqual(['INFO  [Request] The client is banned request_id=later code=client_banned']);
  });

  it('leaves the refusals with other codes their lines', () => {
    const log = logAt('info');
    for (let i = 0; i < 1_000; i++) log.refused(banned, {});
    logged();
    log.refused(new ProblemError('app_disabled', 'The app is disabled.'), {});
    expect(logged()).toEqual(['INFO  [Request] The app is disabled code=app_disabled']);
  });

  it('has a line for each at LOG_LEVEL=debug', () => {
    const log = logAt('debug');
    for (let i = 0; i < 50; i++) log.refused(banned, {});
    expect(logged()).toHaveLength(50);
    vi.advanceTimersByTime(12_000);
    expect(logged()).toEqual([]);
  });

  it('has no line at LOG_LEVEL=warn', () => {
    const log = logAt('warn');
    for (let i = 0; i < 50; i++) log.refused(banned, {});
    vi.advanceTimersByTime(12_000);
    expect(logged()).toEqual([]);
  });
});

describe('an outage', () => {
  it('has one line when it begins, with its stack, and one when it has ended, with a count', () => {
    const log = logAt('info');
    for (let second = 0; second < 30; second++) {
      for (let i = 0; i < 100; i++) log.refused(failure('connect ECONNREFUSED'), { request_id: String(second) });
      vi.advanceTimersByTime(1_000);
    }
    const [first, ...more] = logged();
    expect(first).toMatch(
      /^ERROR \[Request\] No signature can be made right now: connect ECONNREFUSED request_id=0\nError: connect ECONNREFUSED\n {4}at /,
    );
    expect(more).toEqual([]);
    vi.advanceTimersByTime(15_000);
    expect(logged()).toEqual([
      'WARN  [Request] 3000 refused within 29 s, and none for 10 s: No signature can be made right now: connect ECONNREFUSED refused=3000 seconds=29',
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that lasts until the service ends is told of then', () => {
    const log = logAt('info');
    for (let i = 0; i < 5; i++) log.refused(failure('connect ECONNREFUSED'), {});
    logged();
    log.onApplicationShutdown();
    expect(logged()).toEqual([expect.stringContaining('5 refused within 0 s, until the service ended:')]);
  });

  it('of an app does not hide that of another, and however many there are, the memory and the lines have a bound', () => {
    const log = logAt('info');
    for (let i = 0; i < 10_000; i++) log.refused(failure(`Master key 1 of app ${i}`), {});
    const all = logged();
    expect(all).toHaveLength(101);
    expect(all[99]).toContain('Master key 1 of app 99');
    vi.advanceTimersByTime(15_000);
    expect(logged()).toContainEqual(
      expect.stringContaining('9900 refused within 0 s, and none for 10 s: further causes'),
    );
  });
});

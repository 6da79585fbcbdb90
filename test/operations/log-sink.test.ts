import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LogSink } from '../../src/operations/log-sink.js';

const lostLine = (count: number): string => `lost ${count}\n`;
/** Longer than what a pipe takes at once (PIPE_BUF), so that a part of it may be written. */
const LINE = `${'x'.repeat(9_999)}\n`;

let folder: string;
/** Both ends of a pipe. */
let pipe: number;

beforeEach(() => {
  vi.useFakeTimers();
  folder = mkdtempSync(join(tmpdir(), 'im-signature-log-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
});

afterEach(() => {
  closeSync(pipe);
  rmSync(folder, { recursive: true });
  vi.useRealTimers();
});

/** What the pipe holds. */
function read(): string {
  const bytes = Buffer.alloc(1024 * 1024);
  try {
    return bytes.toString('utf8', 0, readSync(pipe, bytes));
  } catch {
    return '';
  }
}

it('a log on a full disk loses its lines, and counts them', () => {
  const full = openSync('/dev/full', 'w');
  const sink = new LogSink(full);
  for (let i = 0; i < 3; i++) sink.write('a line\n', lostLine);
  expect(sink.lost).toBe(3);
  closeSync(full);
});

it('a log whose reader is slow loses whole lines, and says how many as soon as it can write again', () => {
  const sink = new LogSink(pipe);
  let written = 0;
  while (sink.lost === 0) {
    sink.write(LINE, lostLine);
    written++;
  }
  sink.write(LINE, lostLine);
  expect(sink.lost).toBe(2);
  let text = read();
  sink.write('next\n', lostLine);
  text += read();
  expect(text).toBe(`${LINE.repeat(written - 1)}lost 2\nnext\n`);
  sink.write('and so on\n', lostLine);
  expect(read()).toBe('and so on\n');
});

it('a log that can be written again says so even where no further line comes', () => {
  const sink = new LogSink(pipe);
  while (sink.lost === 0) sink.write(LINE, lostLine);
  vi.advanceTimersByTime(5_000);
  read();
  expect(read()).toBe('');
  vi.advanceTimersByTime(1_000);
  expect(read()).toMatch(/^x*\n?lost 1\n$/);
  vi.advanceTimersByTime(5_000);
  expect(read()).toBe('');
  expect(vi.getTimerCount()).toBe(0);
});

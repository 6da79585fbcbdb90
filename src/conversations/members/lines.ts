import { isUtf8 } from 'node:buffer';

/** Longer lines are rejected: the three values, every character escaped, take far less. */
export const MAX_LINE_BYTES = 16_384;

/** A line of a file. */
export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without the line break, and cut at MAX_LINE_BYTES. */
  readonly bytes: Buffer;
  /** Why it cannot be read, whatever its format. */
  readonly fault: string | undefined;
}

export const NOT_UTF8 = 'is not UTF-8';

const LF = 0x0a;
const CR = 0x0d;
const EMPTY = Buffer.alloc(0);
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** Splits a file into lines, in batches. However long a line is, only MAX_LINE_BYTES of it are kept. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line[]> {
  let number = 0;
  // The start of the current line, with one byte beyond the limit, which may be the CR of its line break; and its length so far.
  let head: Buffer = EMPTY;
  let length = 0;
  for await (const chunk of chunks) {
    const lines: Line[] = [];
    let from = 0;
    for (;;) {
      const lineBreak = chunk.indexOf(LF, from);
      const part = chunk.subarray(from, lineBreak === -1 ? chunk.length : lineBreak);
      const kept = part.subarray(0, MAX_LINE_BYTES + 1 - head.length);
      head = head.length === 0 ? kept : Buffer.concat([head, kept]);
      length += part.length;
      if (lineBreak === -1) break;
      lines.push(lineOf(++number, head, length));
      head = EMPTY;
      length = 0;
      from = lineBreak + 1;
    }
    yield lines;
  }
  if (length > 0) yield [lineOf(number + 1, head, length)];
}

function lineOf(number: number, head: Buffer, length: number): Line {
  const start = number === 1 && head.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  const end = head.length === length && head.at(-1) === CR ? length - 1 : length;
  const bytes = head.subarray(start, Math.min(end, start + MAX_LINE_BYTES));
  return { number, bytes, fault: faultOf(bytes, end - start) };
}

function faultOf(bytes: Buffer, length: number): string | undefined {
  if (length === 0) return 'is empty';
  if (length === bytes.length) return isUtf8(bytes) ? undefined : NOT_UTF8;
  return `has ${length} bytes, ${MAX_LINE_BYTES} are allowed; only its beginning is kept here`;
}

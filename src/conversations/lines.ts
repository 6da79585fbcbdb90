import { isUtf8 } from 'node:buffer';

/** A line of a file. */
export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without the line break, and cut at the limit of a line. */
  readonly bytes: Buffer;
  /** Why it cannot be read, whatever its format. */
  readonly fault: string | undefined;
}

export const NOT_UTF8 = 'is not UTF-8';
export const EMPTY_LINE = 'is empty';
const LF = 0x0a;
const CR = 0x0d;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** Splits a file into lines, in batches. However long a line is, only `maxBytes` of it are kept. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Line[]> {
  let number = 0;
  // The start of the current line, with one byte beyond the limit, which may be the CR of its line break; and its length so far.
  let head: Buffer[] = [];
  let kept = 0;
  let length = 0;
  for await (const chunk of chunks) {
    const lines: Line[] = [];
    let from = 0;
    for (;;) {
      const lineBreak = chunk.indexOf(LF, from);
      const part = chunk.subarray(from, lineBreak === -1 ? chunk.length : lineBreak);
      length += part.length;
      const start = part.subarray(0, maxBytes + 1 - kept);
      if (start.length > 0) head.push(start);
      kept += start.length;
      if (lineBreak === -1) break;
      lines.push(lineOf(++number, joined(head), length, maxBytes));
      head = [];
      kept = 0;
      length = 0;
      from = lineBreak + 1;
    }
    yield lines;
  }
  if (length > 0) yield [lineOf(number + 1, joined(head), length, maxBytes)];
}

/** Most lines are in one piece, which needs no copy. */
function joined(parts: readonly Buffer[]): Buffer {
  const [only, ...others] = parts;
  return only !== undefined && others.length === 0 ? only : Buffer.concat(parts);
}

function lineOf(number: number, head: Buffer, length: number, maxBytes: number): Line {
  const start = number === 1 && head.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  const end = head.length === length && head.at(-1) === CR ? length - 1 : length;
  const bytes = head.subarray(start, Math.min(end, start + maxBytes));
  let fault: string | undefined;
  if (end - start > maxBytes) {
    fault = `has ${end - start} bytes, ${maxBytes} are allowed; only its beginning is kept here`;
  } else if (bytes.length === 0) fault = EMPTY_LINE;
  else if (!isUtf8(bytes)) fault = NOT_UTF8;
  return { number, bytes, fault };
}

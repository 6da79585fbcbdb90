/** Far more than the three values take, every character of them escaped; a longer line is kept only in part. */
export const MAX_LINE_BYTES = 16_384;

/** A line of a file. */
export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without the line break at its end, and no more than MAX_LINE_BYTES. */
  readonly bytes: Buffer;
  /** How many bytes it has in the file. */
  readonly length: number;
}

/** Lines that are handed on together: enough that each costs little, and few enough that what is made of them is soon garbage. */
const LINES_AT_ONCE = 256;

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** The lines of a file, in portions; none of them takes more memory than its limit. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line[]> {
  let number = 0;
  // The line that is being read. One byte more than its limit is kept, which may be the CR of its line break.
  let head: Buffer = NOTHING;
  let length = 0;
  const take = (part: Buffer): void => {
    const kept = part.subarray(0, MAX_LINE_BYTES + 1 - head.length);
    head = head.length === 0 ? kept : Buffer.concat([head, kept]);
    length += part.length;
  };
  const end = (): Line => {
    const line = lineOf(++number, head, length);
    head = NOTHING;
    length = 0;
    return line;
  };

  for await (const chunk of chunks) {
    let lines: Line[] = [];
    let from = 0;
    for (let to = chunk.indexOf(LF); to !== -1; to = chunk.indexOf(LF, from)) {
      take(chunk.subarray(from, to));
      lines.push(end());
      from = to + 1;
      if (lines.length === LINES_AT_ONCE) {
        yield lines;
        lines = [];
      }
    }
    if (from < chunk.length) take(chunk.subarray(from));
    yield lines;
  }
  if (length > 0) yield [end()];
}

function lineOf(number: number, head: Buffer, length: number): Line {
  const begin = number === 1 && head.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  const breaks = head.length === length && head.at(-1) === CR ? 1 : 0;
  const end = Math.min(head.length - breaks, begin + MAX_LINE_BYTES);
  return { number, bytes: head.subarray(begin, end), length: length - begin - breaks };
}

import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeCsv } from '../../src/cli/members/csv.js';
import { judgeNdjson } from '../../src/cli/members/json.js';
import type { JudgedLine } from '../../src/cli/members/line.js';
import { type Line, linesOf, MAX_LINE_BYTES } from '../../src/cli/members/lines.js';

type Judge = (lines: AsyncIterable<Line[]>) => AsyncIterable<JudgedLine[]>;

/** Judges a file that is read in pieces of so many bytes. */
async function judge(file: string | Buffer, size: number, by: Judge = judgeCsv): Promise<JudgedLine[]> {
  const bytes = Buffer.from(file);
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
  const found: JudgedLine[] = [];
  for await (const lines of by(linesOf(Readable.from(pieces)))) found.push(...lines);
  return found;
}

const ID = fc
  .string({
    unit: fc.oneof(fc.constantFrom('"', ',', ' ', '\\', '😀'), fc.string({ unit: 'grapheme', maxLength: 1 })),
  })
  .filter((text) => /^[^:\p{Cc}\p{Cs}]{1,64}$/u.test(text));
const MEMBERSHIP = fc.record({
  conversation_id: ID,
  client_id: ID,
  role: fc.constantFrom('owner', 'manager', 'member'),
});
const SIZE = fc.integer({ min: 1, max: 40 });
const BREAK = fc.constantFrom('\n', '\r\n');
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const HEADER = 'conversation_id,client_id,role';

describe('a file of memberships', () => {
  it('is read exactly, whatever is in its ids and wherever its pieces end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(MEMBERSHIP), SIZE, BREAK, async (memberships, size, lineBreak) => {
        const rows = memberships.map(
          (row) => `${[row.conversation_id, row.client_id].map(quoted).join()},${row.role}`,
        );
        const csv = await judge(`\ufeff${[HEADER, ...rows].join(lineBreak)}`, size);
        expect(csv.map(({ judged }) => judged)).toEqual(memberships);
        expect(csv.map(({ line }) => line.number)).toEqual(rows.map((_, i) => i + 2));

        const lines = memberships.map((row) => JSON.stringify(row)).join(lineBreak);
        const ndjson = await judge(lines, size, judgeNdjson);
        expect(ndjson.map(({ judged }) => judged)).toEqual(memberships);
      }),
    );
  });

  it('never loses a line, whatever quotes there are: each is a record, or is part of one that quotes hold together', async () => {
    const line = fc.string({ unit: fc.constantFrom('"', ',', 'a', 'b'), maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.array(line), SIZE, async (lines, size) => {
        const records = await judge(`${[HEADER, ...lines].join('\n')}\n`, size);
        expect(records.map((record) => record.line.bytes.toString()).join('\n')).toBe(lines.join('\n'));
      }),
    );
  });

  it('holds back no more of an endless line than its limit, and goes on after it', async () => {
    const long = 'x'.repeat(MAX_LINE_BYTES * 3);
    const [first, second] = await judge(`${HEADER}\n${long}\nc,a,owner\n`, 1000);
    expect(first?.line.bytes).toHaveLength(MAX_LINE_BYTES);
    expect(first?.judged).toMatch(/^has 49152 bytes, 16384 are allowed/);
    expect(second).toMatchObject({ line: { number: 3 }, judged: { client_id: 'a' } });
  });

  it('whose quote is never closed has one line that is wrong', async () => {
    const rest = Array.from({ length: 2000 }, (_, i) => `c,client-${i},member`);
    const [first, ...others] = await judge([HEADER, 'c,"open,member', ...rest].join('\n'), 4096);
    expect(first).toMatchObject({ line: { number: 2 }, judged: expect.stringContaining('quote') as string });
    expect(others).toHaveLength(rest.length);
    expect(others.filter(({ judged }) => typeof judged === 'string')).toEqual([]);
  });
});

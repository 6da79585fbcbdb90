import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Format,
  MAX_LINE_BYTES,
  type ParsedLine,
  parseMembers,
} from '../../../src/conversations/members/parse.js';

/** Parses a file that arrives in pieces of `size` bytes. */
async function parse(file: string, size: number, format: Format = 'csv'): Promise<ParsedLine[]> {
  const bytes = Buffer.from(file);
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
  const found: ParsedLine[] = [];
  for await (const lines of parseMembers(format, Readable.from(pieces))) found.push(...lines);
  return found;
}

const ID = fc
  .string({ unit: fc.oneof(fc.constantFrom('"', ',', ' ', '\\', '😀'), fc.string({ unit: 'grapheme', maxLength: 1 })) })
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
        const rows = memberships.map((row) => `${[row.conversation_id, row.client_id].map(quoted).join()},${row.role}`);
        const csv = await parse(`\ufeff${[HEADER, ...rows].join(lineBreak)}`, size);
        expect(csv.map(({ parsed }) => parsed)).toEqual(memberships);
        expect(csv.map(({ line }) => line.number)).toEqual(rows.map((_, i) => i + 2));

        const lines = memberships.map((row) => JSON.stringify(row)).join(lineBreak);
        const ndjson = await parse(lines, size, 'ndjson');
        expect(ndjson.map(({ parsed }) => parsed)).toEqual(memberships);
      }),
    );
  });

  it('has members where a role is left out, which in NDJSON may be null', async () => {
    const ids = '"conversation_id":"c","client_id":"a"';
    const lines = [`{${ids}}`, `{${ids},"role":null}`, `{"role":null,${ids},"role":null}`, `{${ids},"role":""}`];
    expect((await parse(lines.join('\n'), 100, 'ndjson')).map(({ parsed }) => parsed)).toEqual([
      { conversation_id: 'c', client_id: 'a', role: 'member' },
      { conversation_id: 'c', client_id: 'a', role: 'member' },
      'names a field twice',
      'role is none of owner, manager and member',
    ]);
  });

  it('never loses a line, whatever quotes there are: each is a record', async () => {
    const line = fc.string({ unit: fc.constantFrom('"', ',', 'a', 'b'), maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.array(line), SIZE, async (lines, size) => {
        const records = await parse(`${[HEADER, ...lines].join('\n')}\n`, size);
        expect(records.map((record) => record.line.bytes.toString())).toEqual(lines);
      }),
    );
  });

  it('holds back no more of an endless line than its limit, and goes on after it', async () => {
    const long = 'x'.repeat(MAX_LINE_BYTES * 3);
    const [first, second] = await parse(`${HEADER}\n${long}\nc,a,owner\n`, 1000);
    expect(first?.line.bytes).toHaveLength(MAX_LINE_BYTES);
    expect(first?.parsed).toMatch(/^has 49152 bytes, 16384 are allowed/);
    expect(second).toMatchObject({ line: { number: 3 }, parsed: { client_id: 'a' } });
  });

  it.each([
    ['', /^the file is empty; begin the file with a header, such as conversation_id,client_id,role, in UTF-8$/],
    ['\nconversation_id,client_id\n', /^the first line is empty;/],
    ['c1,alice\n', /^the header has the column "c1" where conversation_id is expected;/],
    ['conversation_id,clientId,role\n', /^the header has the column "clientId" where client_id is expected;/],
    ['conversation_id,client_id,rank\n', /^the header has the column "rank", which is unknown;/],
    ['conversation_id,role\n', /^the header has no column client_id;/],
    ['role,conversation_id,client_id,role\n', /^the header has two columns role;/],
    [
      'conversation_id;client_id\n',
      /"conversation_id;client_id" where .+: it seems to be separated by ";", not by commas;/,
    ],
    ['"client_id"\t"conversation_id"\n', /: it seems to be separated by tabs, not by commas;/],
    ['sep=,\nconversation_id,client_id\n', /"sep=" where .+: this line is for a spreadsheet; remove it;/],
    ['sep=;\nconversation_id;client_id\n', /"sep=;" where .+: this line is for a spreadsheet; remove it;/],
    ['conversation_id,client_id\rc1,alice\r', /: its lines seem to end with CR, not with LF;/],
    ['conversation_id,client_id,role\rc1,alice,owner\r', /: its lines seem to end with CR, not with LF;/],
    ['conversation_id,client_id;role\n', /: it seems to be separated by ";", not by commas;/],
    ['conversation_id,client_id,role;;\n', /: it seems to be separated by ";", not by commas;/],
    [`conversation_id,client_id\r${'c1,alice\r'.repeat(5000)}`, /^the first line has .+ CR, not with LF;/],
    [`conversation_id,client_id\n`.replace(/./gs, '$&\0'), /: it seems to be UTF-16, not UTF-8;/],
    ['PK\u0003\u0004\0\0\0[Content_Types].xml', /Types\].xml" where conversation_id is expected;/],
    [`conversation_id,client_id\n`.replace(/./gs, '\0$&'), /: it seems to be UTF-16, not UTF-8;/],
    [`${'x'.repeat(100)},client_id\n`, /^the header has the column "x{64}" where/],
  ])('that begins with %j is refused with its fault', async (file, fault) => {
    await expect(parse(file, 1000)).rejects.toThrow(fault);
  });

  it('whose quote is never closed has one line that is wrong', async () => {
    const rest = Array.from({ length: 2000 }, (_, i) => `c,client-${i},member`);
    const [first, ...others] = await parse([HEADER, 'c,"open,member', ...rest].join('\n'), 4096);
    expect(first).toMatchObject({ line: { number: 2 }, parsed: expect.stringContaining('quote') as string });
    expect(others).toHaveLength(rest.length);
    expect(others.filter(({ parsed }) => typeof parsed === 'string')).toEqual([]);
  });
});

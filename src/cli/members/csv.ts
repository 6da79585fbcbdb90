import { parse } from 'csv-parse/sync';
import { type Field, FIELDS, type JudgedLine, lineFault, type Membership, membershipOf } from './line.js';
import { type Line, MAX_LINE_BYTES } from './lines.js';

const QUOTE = 0x22;
const LINE_BREAK = Buffer.from('\n');

const QUOTES_FAULT = 'has a quote where RFC 4180 allows none, or one that is not closed';

/** A line, and whether a quote in it was given up. */
type CsvRecord = Line & { readonly openQuote?: true };

/** The memberships in a file of CSV. @throws {Error} it has no header, or another one. */
export async function* judgeCsv(batches: AsyncIterable<Line[]>): AsyncGenerator<JudgedLine[]> {
  let header: readonly Field[] | undefined;
  for await (const records of recordsOf(batches)) {
    header ??= headerOf(records.shift());
    yield judge(records, header);
  }
  if (header === undefined) headerOf(undefined);
}

function headerOf(record: CsvRecord | undefined): readonly Field[] {
  const names =
    record === undefined || recordFault(record) !== undefined ? [] : (fieldsOf([record])?.[0] ?? []);
  const known = names.filter((name): name is Field => FIELDS.some((field) => field === name));
  const distinct = new Set(known);
  if (
    known.length < names.length ||
    distinct.size < known.length ||
    !distinct.has('conversation_id') ||
    !distinct.has('client_id')
  ) {
    throw new Error('the first line must be a header with conversation_id, client_id and, if given, role');
  }
  return known;
}

function judge(records: readonly CsvRecord[], header: readonly Field[]): JudgedLine[] {
  const faults = records.map(recordFault);
  const sound = records.filter((_, i) => faults[i] === undefined);
  const fields = (fieldsOf(sound) ?? sound.map((record) => fieldsOf([record])?.[0])).values();
  return records.map((line, i) => ({ line, judged: faults[i] ?? membershipIn(fields.next().value, header) }));
}

function recordFault(record: CsvRecord): string | undefined {
  return lineFault(record) ?? (record.openQuote ? QUOTES_FAULT : undefined);
}

function membershipIn(fields: readonly string[] | undefined, header: readonly Field[]): Membership | string {
  if (fields === undefined) return QUOTES_FAULT;
  if (fields.length !== header.length) return `has ${fields.length} fields, the header has ${header.length}`;
  return membershipOf(Object.fromEntries(header.map((field, i) => [field, fields[i]])));
}

/** The fields of each record; undefined: the quotes of one are wrong. */
function fieldsOf(records: readonly Line[]): string[][] | undefined {
  const text = Buffer.concat(records.flatMap(({ bytes }) => [bytes, LINE_BREAK]));
  try {
    const fields = parse(text, { record_delimiter: '\n', relax_column_count: true });
    return fields.length === records.length ? fields : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Puts the lines together that quotes hold together: a record ends where a line does and the quotes so far are even. The parser could
 * do that, too; but where a quote is never closed it would take all that follows for one field, and what it skips it does not tell. Here
 * only the line with that quote is given up, and the next is a line of its own.
 */
async function* recordsOf(batches: AsyncIterable<Line[]>): AsyncGenerator<CsvRecord[]> {
  let open: readonly Line[] = [];
  for await (const batch of batches) {
    const { records, rest } = gather(open.length === 0 ? batch : [...open, ...batch], false);
    open = rest;
    if (records.length > 0) yield records;
  }
  const { records } = gather(open, true);
  if (records.length > 0) yield records;
}

/** @param atEnd whether no line follows. @returns the records, and the lines of one that has not ended yet. */
function gather(lines: readonly Line[], atEnd: boolean): { records: CsvRecord[]; rest: readonly Line[] } {
  const records: CsvRecord[] = [];
  let from = 0;
  for (let first = lines[from]; first !== undefined; first = lines[from]) {
    const record = recordAt(lines, from, first, atEnd);
    if (record === undefined) break;
    records.push(record.line);
    from += record.count;
  }
  return { records, rest: lines.slice(from) };
}

/** The record that begins with a line, and how many lines it has; undefined: it goes on after the last of these. */
function recordAt(
  lines: readonly Line[],
  from: number,
  first: Line,
  atEnd: boolean,
): { line: CsvRecord; count: number } | undefined {
  const held: Line[] = [];
  let quotes = 0;
  let length = 0;
  for (
    let line = lines[from];
    line !== undefined && length <= MAX_LINE_BYTES;
    line = lines[from + held.length]
  ) {
    held.push(line);
    quotes += quotesIn(line.bytes);
    length += line.length;
    if (quotes % 2 === 0) break;
  }
  if (quotes % 2 === 1 && length <= MAX_LINE_BYTES && !atEnd) return undefined;
  if (quotes % 2 === 0) {
    const record = joined(held, first);
    // Even quotes in the wrong places: better one line is wrong than all of them.
    if (held.length === 1 || fieldsOf([record]) !== undefined) return { line: record, count: held.length };
  }
  return { line: { ...first, openQuote: true }, count: 1 };
}

function quotesIn(bytes: Buffer): number {
  let quotes = 0;
  for (let at = bytes.indexOf(QUOTE); at !== -1; at = bytes.indexOf(QUOTE, at + 1)) quotes++;
  return quotes;
}

function joined(lines: readonly Line[], first: Line): Line {
  if (lines.length === 1) return first;
  const bytes = Buffer.concat(lines.flatMap((line) => [line.bytes, LINE_BREAK])).subarray(
    0,
    -LINE_BREAK.length,
  );
  return { number: first.number, bytes, length: bytes.length };
}

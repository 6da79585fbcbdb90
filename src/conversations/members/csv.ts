import { parse } from 'csv-parse/sync';
import type { Line } from './lines.js';
import { type Field, FIELDS, lineFault, type Membership, membershipOf, type ParsedLine } from './membership.js';

const LINE_BREAK = Buffer.from('\n');

/** Memberships in CSV (RFC 4180). A record is one line: no id holds a line break. @throws {Error} when the header is missing, or another one. */
export async function* parseCsv(batches: AsyncIterable<Line[]>): AsyncGenerator<ParsedLine[]> {
  let header: readonly Field[] | undefined;
  for await (const lines of batches) {
    if (lines.length === 0) continue;
    header ??= headerOf(lines.shift());
    yield parseLines(lines, header);
  }
  if (header === undefined) headerOf(undefined);
}

function headerOf(line: Line | undefined): readonly Field[] {
  const names = line === undefined || lineFault(line) !== undefined ? [] : (fieldsOf([line])?.[0] ?? []);
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

function parseLines(lines: readonly Line[], header: readonly Field[]): ParsedLine[] {
  const faults = lines.map(lineFault);
  const sound = lines.filter((_, i) => faults[i] === undefined);
  // Together they are quick to parse; where the quotes of one are wrong, each is parsed on its own.
  const fields = (fieldsOf(sound) ?? sound.map((line) => fieldsOf([line])?.[0])).values();
  return lines.map((line, i) => ({ line, parsed: faults[i] ?? membershipIn(fields.next().value, header) }));
}

function membershipIn(fields: readonly string[] | undefined, header: readonly Field[]): Membership | string {
  if (fields === undefined) return 'has a quote where RFC 4180 allows none, or one that is not closed';
  if (fields.length !== header.length) return `has ${fields.length} fields, the header has ${header.length}`;
  return membershipOf(Object.fromEntries(header.map((field, i) => [field, fields[i]])));
}

/** The fields of each line; undefined: the quotes of one are wrong, and may hold several lines together. */
function fieldsOf(lines: readonly Line[]): string[][] | undefined {
  const text = Buffer.concat(lines.flatMap(({ bytes }) => [bytes, LINE_BREAK]));
  try {
    const fields = parse(text, { record_delimiter: '\n', relax_column_count: true });
    return fields.length === lines.length ? fields : undefined;
  } catch {
    return undefined;
  }
}

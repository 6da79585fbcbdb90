import { parse } from 'csv-parse/sync';
import { idFault, isId } from '../../problems/ids.js';
import type { Role } from '../decision.js';
import { type Line, linesOf } from '../lines.js';

export type Format = 'csv' | 'ndjson';

/** Longer lines are rejected: the three values, every character escaped, take far less. */
export const MAX_LINE_BYTES = 16_384;

export type Membership = Readonly<Record<'conversation_id' | 'client_id', string> & { role: Role }>;

/** A line of a file, and the membership in it or the reason why it is rejected. */
export interface ParsedLine {
  readonly line: Line;
  readonly parsed: Membership | string;
}

type ParseLines = (lines: readonly Buffer[]) => (Membership | string)[];

const REQUIRED: readonly string[] = ['conversation_id', 'client_id'];
const FIELDS: readonly string[] = [...REQUIRED, 'role'];
/** Characters of a wrong column's name that an error shows. */
const MAX_NAME_SHOWN = 64;
/** What spreadsheets write that is not read, by what the first line then has. */
const GUESSES = [
  [/([a-z_]\0){2}|(\0[a-z_]){2}/i, 'it seems to be UTF-16, not UTF-8'],
  [/\r/, 'its lines seem to end with CR, not with LF'],
  [/^"?sep=/i, 'this line is for a spreadsheet; remove it'],
  [/(conversation_id|client_id|role)"?;/, 'it seems to be separated by ";", not by commas'],
  [/(conversation_id|client_id|role)"?\t/, 'it seems to be separated by tabs, not by commas'],
] as const;
const ROLES: ReadonlySet<unknown> = new Set<Role>(['owner', 'manager', 'member']);

/**
 * Reads memberships, one per line: CSV (RFC 4180, with a header; no id contains a line break, so a record is a line), or NDJSON.
 * @throws {Error} when the CSV header is missing, or is not one of memberships.
 */
export async function* parseMembers(format: Format, file: AsyncIterable<Buffer>): AsyncGenerator<ParsedLine[]> {
  let parseLines: ParseLines | undefined = format === 'ndjson' ? (lines) => lines.map(membershipInJson) : undefined;
  for await (const lines of linesOf(file, MAX_LINE_BYTES)) {
    if (lines.length === 0) continue;
    parseLines ??= csvParser(lines.shift());
    const parsed = parseLines(lines.filter(({ fault }) => fault === undefined).map(({ bytes }) => bytes)).values();
    yield lines.map((line) => ({ line, parsed: line.fault ?? parsed.next().value ?? 'is not parsed' }));
  }
  if (parseLines === undefined) csvParser(undefined);
}

/** A parser for the lines below a CSV header. */
function csvParser(line: Line | undefined): ParseLines {
  const header = (line && recordsOf([line.bytes])?.[0]) ?? [];
  const fault = faultOfHeader(line, header);
  if (fault !== undefined) {
    throw new Error(`${fault}; begin the file with a header, such as conversation_id,client_id,role, in UTF-8`);
  }
  return (lines) => {
    // It is faster to parse all lines together; where the quotes of one are wrong, each is parsed alone.
    const records = recordsOf(lines) ?? lines.map((bytes) => recordsOf([bytes])?.[0]);
    return records.map((fields) => {
      if (fields === undefined) return 'has a quote where RFC 4180 allows none, or one that is not closed';
      if (fields.length !== header.length) return `has ${fields.length} fields, the header has ${header.length}`;
      // A spreadsheet leaves a cell empty where no role is given.
      const given = header.map((name, i) => [name, name === 'role' && fields[i] === '' ? undefined : fields[i]]);
      return membershipOf(Object.fromEntries(given) as Partial<Record<string, string>>);
    });
  };
}

/** @param names the columns; empty where they cannot be told apart. */
function faultOfHeader(line: Line | undefined, names: readonly string[]): string | undefined {
  if (line === undefined) return 'the file is empty';
  const text = line.bytes.toString();
  const [, guess] = GUESSES.find(([sign]) => sign.test(text)) ?? [];
  const cause = guess === undefined ? '' : `: ${guess}`;
  if (line.fault !== undefined) return `the first line ${line.fault}${cause}`;
  const missing = REQUIRED.find((name) => !names.includes(name));
  const unknown = names.length === 0 ? text : names.find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) {
    const found = `the header has the column ${JSON.stringify(unknown.slice(0, MAX_NAME_SHOWN))}`;
    return missing === undefined
      ? `${found}, which is unknown${cause}`
      : `${found} where ${missing} is expected${cause}`;
  }
  if (missing !== undefined) return `the header has no column ${missing}${cause}`;
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  return repeated === undefined ? undefined : `the header has two columns ${repeated}`;
}

/** The fields of each line; undefined: a quote is wrong, and may have joined several lines into one record. */
function recordsOf(lines: readonly Buffer[]): string[][] | undefined {
  try {
    const records = parse(lines.join('\n'), { record_delimiter: '\n', relax_column_count: true });
    return records.length === lines.length ? records : undefined;
  } catch {
    return undefined;
  }
}

function membershipInJson(bytes: Buffer): Membership | string {
  const text = bytes.toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'is no JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'is no JSON object';
  const names = Object.keys(value);
  const unknown = names.find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) return `has the unknown field ${JSON.stringify(unknown)}`;
  const membership = membershipOf(value);
  if (typeof membership === 'string') return membership;
  // JSON.parse keeps the last of several fields with one name. All values but a null are strings here.
  const strings = text.match(/"(?:[^"\\]|\\.)*"/g)?.length;
  const values = Object.values(value).filter((field) => field !== null);
  return strings === names.length + values.length ? membership : 'names a field twice';
}

/** The membership that the values make, or the reason why they make none. */
function membershipOf(values: { readonly [Field in keyof Membership]?: unknown }): Membership | string {
  const { conversation_id, client_id } = values;
  const role = values.role ?? 'member';
  const fault = faultOfId('conversation_id', conversation_id) ?? faultOfId('client_id', client_id);
  if (fault !== undefined) return fault;
  if (!ROLES.has(role)) return 'role is none of owner, manager and member';
  return { conversation_id, client_id, role } as Membership;
}

function faultOfId(field: string, value: unknown): string | undefined {
  if (value === undefined) return `${field} is missing`;
  if (typeof value !== 'string') return `${field} is no text`;
  return isId(value) ? undefined : `${field} ${idFault(value)}`;
}

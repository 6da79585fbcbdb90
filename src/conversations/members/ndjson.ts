import { FIELDS, type ParsedLine, lineFault, type Membership, membershipOf } from './membership.js';
import type { Line } from './lines.js';

/** The memberships in a file of NDJSON. */
export async function* parseNdjson(batches: AsyncIterable<Line[]>): AsyncGenerator<ParsedLine[]> {
  for await (const lines of batches) {
    yield lines.map((line) => ({ line, parsed: lineFault(line) ?? membershipInJson(line.bytes.toString()) }));
  }
}

/** The membership in a line of NDJSON, or the reason why there is none. */
function membershipInJson(text: string): Membership | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'is no JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'is no JSON object';
  const names = Object.keys(value);
  const unknown = names.find((name) => !FIELDS.some((field) => field === name));
  if (unknown !== undefined) return `has the unknown field ${JSON.stringify(unknown)}`;
  const membership = membershipOf(value);
  if (typeof membership === 'string') return membership;
  // JSON.parse keeps the last of the fields with the same name. All is text here, so each field is two strings.
  const strings = text.match(/"(?:[^"\\]|\\.)*"/g)?.length;
  return strings === 2 * names.length ? membership : 'names a field twice';
}

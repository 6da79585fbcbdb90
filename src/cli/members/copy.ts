import { isUtf8 } from 'node:buffer';
import type { JudgedLine } from './line.js';
import { type Line, MAX_LINE_BYTES } from './lines.js';

/** A line as a row of `import_lines`, in the text format of COPY. */
export function rowOf({ line, judged }: JudgedLine): string {
  const values =
    typeof judged === 'string'
      ? [null, null, null, judged]
      : [judged.conversation_id, judged.client_id, judged.role, null];
  return `${[String(line.number), ...values, told(line)].map(escaped).join('\t')}\n`;
}

/** The line as the rejects file tells it, a member of a JSON object: what is no text, and so could not be told exactly, in base64. */
function told({ bytes, length }: Line): string {
  if (length <= MAX_LINE_BYTES && !isUtf8(bytes)) return `"base64":"${bytes.toString('base64')}"`;
  return `"text":${JSON.stringify(bytes.toString())}`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** https://www.postgresql.org/docs/current/sql-copy.html, "Text Format" */
function escaped(value: string | null): string {
  return value === null
    ? '\\N'
    : value.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? character);
}

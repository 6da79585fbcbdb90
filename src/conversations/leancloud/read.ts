import { EMPTY_LINE, type Line, linesOf } from '../lines.js';
import { type ExportFile, filesOf, printable } from './files.js';
import { Fault } from './objects.js';
import { CONVERSATION, conversationRows, MEMBER_INFO, roleRow, type Tally, wholeRow } from './rows.js';

/** Some four million members in one conversation; longer lines are rejected. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;
/** Characters of rows that go to PostgreSQL together. */
const BATCH = 65_536;

const HEADER = /^#filetype:JSON-streaming\s*(\{.*\})\s*$/;
/** The first line of JSON that somebody made readable: it ends in the middle of a value. */
const SPREAD = /^\s*(?:\{|\[|\{\s*"results"\s*:\s*\[?\s*\{?)\s*$/;

/**
 * Reads an export, and counts it.
 * @param onRead is told the size of each piece that is read, in bytes.
 * @yields rows of `export_rows`, in the CSV of COPY.
 * @throws {Error} that names a file which is cut off, or is of another class or form.
 */
export async function* readExport(
  paths: readonly string[],
  tally: Tally,
  onRead: (bytes: number) => void,
): AsyncGenerator<string> {
  let batch = '';
  for (const path of paths) {
    for await (const file of filesOf(path, onRead)) {
      for await (const rows of rowsOf(file, tally)) {
        batch += rows;
        if (batch.length < BATCH) continue;
        yield batch;
        batch = '';
      }
    }
  }
  yield batch;
  if (!tally.classes.has(CONVERSATION)) throw new Error(`there is no file of the class ${CONVERSATION}`);
}

async function* rowsOf(file: ExportFile, tally: Tally): AsyncGenerator<string> {
  tally.files.push(file.name);
  let className: string | undefined;
  for await (const lines of linesOf(file.chunks, MAX_LINE_BYTES)) {
    for (const line of lines) {
      const header = line.number === 1 ? classInHeader(file, line) : undefined;
      className ??= begin(file, header ?? file.classInName, tally);
      // An empty line holds nothing that could be lost.
      if (header !== undefined || line.fault === EMPTY_LINE) continue;
      if (tally.classes.has(className)) yield* objectsOf(className, line, tally);
      else tally.otherClasses.set(className, (tally.otherClasses.get(className) ?? 0) + 1);
    }
  }
  if (className === undefined) begin(file, file.classInName, tally);
}

/** @returns the class. @throws {Error} when it is not one to import, and the file is no part of an archive of all classes. */
function begin({ name, inArchive }: ExportFile, className: string, { classes }: Tally): string {
  if (isImported(className)) classes.add(className);
  else if (!inArchive) throw new Error(`${name} is of the class ${className}, not ${CONVERSATION} or ${MEMBER_INFO}`);
  return className;
}

function isImported(className: string): boolean {
  return className === CONVERSATION || className === MEMBER_INFO;
}

/** The class that the first line of a file says, if it is not an object already. */
function classInHeader({ name, inArchive, classInName }: ExportFile, line: Line): string | undefined {
  const text = beginning(line);
  if (!inArchive && SPREAD.test(text)) {
    throw new Error(`${name} has its JSON over several lines; put it on one, with jq --compact-output . ${name}`);
  }
  if (!text.startsWith('#')) return undefined;
  try {
    const { type, class: className } = JSON.parse(HEADER.exec(text)?.[1] ?? '') as Record<string, unknown>;
    if (typeof className === 'string') return printable(type === 'Class' ? className : `${String(type)} ${className}`);
  } catch {
    // It is said below.
  }
  // Such as a note that somebody put into the archive.
  if (inArchive && !isImported(classInName)) return undefined;
  throw new Error(
    `${name} begins with a line that names no class; it should be #filetype:JSON-streaming {"type":"Class","class":"${CONVERSATION}"}`,
  );
}

function* objectsOf(className: string, line: Line, tally: Tally): Generator<string> {
  const isConversation = className === CONVERSATION;
  let value: unknown;
  let fault: Fault | undefined = line.fault === undefined ? undefined : new Fault(line.fault);
  if (fault === undefined) {
    try {
      value = JSON.parse(line.bytes.toString());
    } catch {
      fault = new Fault('is no JSON');
    }
  }
  if (fault !== undefined) {
    yield wholeRow(isConversation ? 'conversation' : 'role', fault, beginning(line), line, tally);
  } else {
    for (const object of inAnswer(value)) {
      // As it was written, where it is the line: large numbers would have other digits.
      const text = () => (object === value ? beginning(line) : JSON.stringify(object));
      if (isConversation) yield* conversationRows(object, text, line, tally);
      else yield roleRow(object, text, line, tally);
    }
  }
}

function beginning({ bytes }: Line): string {
  return bytes.subarray(0, BATCH).toString();
}

/** The objects in an answer of the REST API, or the one that the line is. */
function inAnswer(value: unknown): readonly unknown[] {
  const { results, objectId } = (value ?? {}) as { results?: unknown; objectId?: unknown };
  return objectId === undefined && Array.isArray(results) ? results : [value];
}

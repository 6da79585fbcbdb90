import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** A file of an export: one that is named, or one in an archive that is named. */
export interface ExportFile {
  /** As people are told: `export.tar.gz/_Conversation.0.jsonl`. */
  readonly name: string;
  /** What its name says: `_Conversation` of `_Conversation.0.jsonl`. */
  readonly classInName: string;
  readonly inArchive: boolean;
  readonly chunks: AsyncIterable<Buffer>;
}

const ARCHIVE = /\.(?:tar\.gz|tgz)$/i;
const GZIP = /\.gz$/i;
/** The database's own form, in which LeanCloud gives backups. */
const BSON = /\.bson(?:\.gz)?$/i;

/** By the codes of zlib, and the messages of tar-stream. */
const FAULTS: readonly (readonly [RegExp, string])[] = [
  [/^(?:Z_BUF_ERROR|Unexpected end of data)$/, 'is cut off; export or copy it again'],
  [/^(?:Z_DATA_ERROR|Invalid tar header)/, 'is damaged, or not what its name says; export or copy it again'],
];

/**
 * Reads the files of an export, one after the other: each has to be read to its end before the next one is asked for.
 * @param onRead is told the size of each piece of `path` that is read, in bytes.
 * @throws {Error} that names the path, when it is cut off or of another form.
 */
export async function* filesOf(path: string, onRead: (bytes: number) => void): AsyncGenerator<ExportFile> {
  if (BSON.test(path)) {
    throw new Error(`${path} is a backup, in BSON; name a file of the data export, which is JSON`);
  }
  const file = createReadStream(path);
  async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      onRead(chunk.length);
      yield chunk;
    }
  }
  try {
    if (ARCHIVE.test(path)) {
      const { extract } = await import('tar-stream');
      const entries = extract();
      // Its errors come out of what is iterated.
      pipeline(file, counted, createGunzip(), entries, () => undefined);
      for await (const entry of named(path, entries)) {
        if (entry.header.type !== 'file') entry.resume();
        else yield fileOf(`${path}/${printable(entry.header.name)}`, named(path, entry), true);
      }
    } else if (GZIP.test(path)) {
      const unzipped = createGunzip();
      pipeline(file, counted, unzipped, () => undefined);
      yield fileOf(path, named(path, unzipped), false);
    } else yield fileOf(path, counted(file), false);
  } finally {
    file.destroy();
  }
}

/** Without what a terminal would take for a command, or for the direction of the text. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd');
}

function fileOf(name: string, chunks: AsyncIterable<Buffer>, inArchive: boolean): ExportFile {
  const base = basename(name);
  const [classInName = base] = /^[^.]+/.exec(base) ?? [];
  return { name, classInName, inArchive, chunks };
}

/** The same items, but errors that say which file is at fault. */
async function* named<Item>(path: string, items: AsyncIterable<Item>): AsyncGenerator<Item> {
  try {
    yield* items;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const [, fault] = FAULTS.find(([pattern]) => pattern.test(code ?? message)) ?? [];
    if (fault === undefined) throw error;
    throw new Error(`${path} ${fault}`, { cause: error });
  }
}

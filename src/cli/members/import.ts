import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import { extname } from 'node:path';
import type { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { parseCsv } from '../../conversations/members/csv.js';
import type { Format } from '../../conversations/members/export.js';
import { type Counts, loadMembers } from '../../conversations/members/import.js';
import { linesOf } from '../../conversations/members/lines.js';
import { parseNdjson } from '../../conversations/members/ndjson.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';
import { type ForApp, UsageError } from '../options.js';
import { interruptible } from './interruptible.js';
import { showProgress } from './progress.js';
import { RejectsFile } from './rejects.js';

export interface ImportOptions extends ForApp {
  format?: Format;
  rejects?: string;
}

const PARSERS = { csv: parseCsv, ndjson: parseNdjson };
const STANDARD_INPUT = '-';
const FORMATS: Readonly<Record<string, Format>> = { '.csv': 'csv', '.ndjson': 'ndjson', '.jsonl': 'ndjson' };

export async function importMembers(io: Io, file: string, { appId, ...options }: ImportOptions): Promise<void> {
  const format = options.format ?? FORMATS[extname(file).toLowerCase()];
  if (format === undefined) {
    throw new UsageError('the name of the file does not say its format: give --format');
  }
  const size = sizeOf(file);
  const rejects = new RejectsFile(
    options.rejects ?? (file === STANDARD_INPUT ? 'members.rejected.ndjson' : `${file}.rejected.ndjson`),
  );
  await withAdmin(io, async ({ apps, dataSource, withOwnConnection }) => {
    await apps.require(appId);
    const progress = await showProgress(io, size);
    const parse = (chunks: AsyncIterable<Buffer>) => PARSERS[format](linesOf(counted(chunks, progress.read)));
    const counts = await interruptible((signal) =>
      withOwnConnection(async (client) => {
        await cancelOnAbort(client, dataSource, signal);
        const input = file === STANDARD_INPUT ? io.streams.stdin : createReadStream(file);
        return loadMembers(client, { appId, input, parse, rejects, signal, begins: progress.begins });
      }),
    ).finally(progress.end);
    report(io, counts, rejects.path);
  });
}

/** Makes the server stop what it does for this connection: it would go on for as long as it takes, for nobody. */
async function cancelOnAbort(client: Client, dataSource: DataSource, signal: AbortSignal): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  signal.addEventListener('abort', () => {
    // Where that fails, the rollback waits until the server is done.
    dataSource.query('SELECT pg_cancel_backend($1)', [rows[0]?.pid]).catch(() => undefined);
  });
}

/** How many bytes a file has; undefined where it cannot be known. @throws {Error} when it cannot be read. */
function sizeOf(file: string): number | undefined {
  if (file === STANDARD_INPUT) return undefined;
  try {
    accessSync(file, constants.R_OK);
    const found = statSync(file);
    if (found.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`, {
      cause: error,
    });
  }
}

async function* counted(chunks: AsyncIterable<Buffer>, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    count(chunk.length);
    yield chunk;
  }
}

function report(io: Io, { read, added, changed, unchanged, rejected }: Counts, rejects: string): void {
  const counts = `${read} lines read: ${added} added, ${changed} changed, ${unchanged} unchanged, ${rejected} rejected`;
  if (rejected === 0) {
    io.printSuccess(counts);
    return;
  }
  io.print(io.warning(`${counts} (see ${rejects})`));
  io.exitCode = 1;
}

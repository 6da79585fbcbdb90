import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import { extname } from 'node:path';
import type { Readable } from 'node:stream';
import type { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { requireApp, withAdmin } from '../admin-context.js';
import { interruptible } from '../interruptible.js';
import { judgeCsv } from './csv.js';
import { judgeNdjson } from './json.js';
import { linesOf } from './lines.js';
import { type Counts, load } from './load.js';
import { showProgress } from './progress.js';
import { RejectsFile } from './rejects.js';
import { good, print, warning } from '../output.js';
import { withOwnConnection } from '../own-connection.js';
import { UsageError } from '../usage-error.js';

const JUDGES = { csv: judgeCsv, ndjson: judgeNdjson };
export type Format = keyof typeof JUDGES;

export interface ImportOptions {
  appId: string;
  format?: Format;
  rejects?: string;
}

const STANDARD_INPUT = '-';
const FORMATS: Readonly<Record<string, Format>> = { '.csv': 'csv', '.ndjson': 'ndjson', '.jsonl': 'ndjson' };

export async function run(file: string, { appId, ...options }: ImportOptions): Promise<void> {
  const format = options.format ?? FORMATS[extname(file).toLowerCase()];
  if (format === undefined) {
    throw new UsageError('the name of the file does not say its format: give --format');
  }
  const size = sizeOf(file);
  const rejects = new RejectsFile(
    options.rejects ?? (file === STANDARD_INPUT ? 'members.rejected.ndjson' : `${file}.rejected.ndjson`),
  );
  await withAdmin(async (admin) => {
    await requireApp(admin, appId);
    const progress = await showProgress(size);
    const judge = (chunks: AsyncIterable<Buffer>) => JUDGES[format](linesOf(counted(chunks, progress.read)));
    const counts = await interruptible((signal) =>
      withOwnConnection(admin.dataSource, async (client) => {
        await cancelOnAbort(client, admin.dataSource, signal);
        return load(client, { appId, input: open(file), judge, rejects, signal, begins: progress.begins });
      }),
    ).finally(progress.end);
    report(counts, rejects.path);
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

/** How many bytes a file has; undefined where it cannot be known. @throws {Error} it cannot be read. */
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

function open(file: string): Readable {
  return file === STANDARD_INPUT ? process.stdin : createReadStream(file);
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    count(chunk.length);
    yield chunk;
  }
}

function report({ read, added, changed, unchanged, rejected }: Counts, rejects: string): void {
  const said = `${read} lines read: ${added} added, ${changed} changed, ${unchanged} unchanged, ${rejected} rejected`;
  if (rejected === 0) {
    good(said);
    return;
  }
  print(warning(`${said} (see ${rejects})`));
  process.exitCode = 1;
}

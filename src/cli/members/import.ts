import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import { extname } from 'node:path';
import type { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { type Counts, loadMembers } from '../../conversations/members/import.js';
import type { Format } from '../../conversations/members/parse.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';
import { warnIfNotEnforced } from '../membership.js';
import { type ForApp, UsageError } from '../options.js';
import { showProgress } from './progress.js';
import { RejectsFile } from './rejects-file.js';

export type ImportOptions = ForApp & { format?: Format; rejects?: string; createConversations?: boolean };

const STANDARD_INPUT = '-';
const FORMATS: Readonly<Record<string, Format>> = { '.csv': 'csv', '.ndjson': 'ndjson', '.jsonl': 'ndjson' };
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function importMembers(
  io: Io,
  file: string,
  { appId, createConversations = false, ...options }: ImportOptions,
): Promise<void> {
  const format = options.format ?? FORMATS[extname(file).toLowerCase()];
  if (format === undefined) throw new UsageError('the name of the file does not say its format; give --format');
  const size = sizeOf(file);
  const defaultRejects = file === STANDARD_INPUT ? 'members.rejected.ndjson' : `${file}.rejected.ndjson`;
  const rejects = new RejectsFile(options.rejects ?? defaultRejects);
  await withAdmin(io, async ({ apps, dataSource, withOwnConnection }) => {
    const app = await apps.require(appId);
    const { end, ...progress } = await showProgress(io, size);
    const counts = await interruptible((signal) =>
      withOwnConnection(async (client) => {
        await cancelOnAbort(client, dataSource, signal);
        const input = file === STANDARD_INPUT ? io.streams.stdin : createReadStream(file);
        return loadMembers(client, { appId, input, format, createConversations, rejects, signal, ...progress });
      }),
    ).finally(end);
    report(io, counts, rejects.path, createConversations);
    warnIfNotEnforced(io, app);
  });
}

/** Aborts the work on Ctrl-C, SIGTERM and the loss of the terminal; the same signal once more ends the process. */
async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  for (const signal of SIGNALS) process.once(signal, abort);
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, abort);
  }
}

/** Has PostgreSQL stop its work for the connection, which could go on for long. */
async function cancelOnAbort(client: Client, dataSource: DataSource, signal: AbortSignal): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  signal.addEventListener('abort', () => {
    // If this fails, the rollback waits until the server is done.
    dataSource.query('SELECT pg_cancel_backend($1)', [rows[0]?.pid]).catch(() => undefined);
  });
}

/** In bytes; undefined: unknown, as of a pipe. @throws {Error} when the file is not readable. */
function sizeOf(file: string): number | undefined {
  if (file === STANDARD_INPUT) return undefined;
  try {
    accessSync(file, constants.R_OK);
    const found = statSync(file);
    if (found.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    throw new Error(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''}); name a file that is readable`,
      { cause: error },
    );
  }
}

function report(io: Io, counts: Counts, rejects: string, createConversations: boolean): void {
  const { read, added, changed, unchanged, rejected, unregistered, created } = counts;
  const summary = `${read} lines read: ${added} added, ${changed} changed, ${unchanged} unchanged, ${rejected} rejected`;
  if (rejected === 0) io.printSuccess(summary);
  else io.print(io.warning(`${summary} (see ${rejects})`));
  if (created > 0) io.print(`${created} conversations registered, with the default rules`);
  if (unregistered > 0 && !createConversations) {
    const hint = 'register them first, or import these lines with --create-conversations';
    io.print(`${unregistered} lines rejected because their conversations are not registered: ${hint}`);
  }
  if (rejected > 0) io.exitCode = rejected === read ? 1 : 3;
}

import { createReadStream } from 'node:fs';
import { extname } from 'node:path';
import { type Counts, loadMembers } from '../../conversations/members/import.js';
import type { Format } from '../../conversations/members/parse.js';
import { withAdmin } from '../admin.js';
import { sizeOf } from '../file-size.js';
import { cancelOnAbort, interruptible } from '../interruption.js';
import type { Io } from '../io.js';
import { warnIfNotEnforced } from '../membership.js';
import { type ForApp, UsageError } from '../options.js';
import { showProgress } from '../progress.js';
import { RejectsFile } from '../rejects-file.js';

export type ImportOptions = ForApp & { format?: Format; rejects?: string; createConversations?: boolean };

const STANDARD_INPUT = '-';
const FORMATS: Readonly<Record<string, Format>> = { '.csv': 'csv', '.ndjson': 'ndjson', '.jsonl': 'ndjson' };

export async function importMembers(
  io: Io,
  file: string,
  { appId, createConversations = false, ...options }: ImportOptions,
): Promise<void> {
  const format = options.format ?? FORMATS[extname(file).toLowerCase()];
  if (format === undefined) throw new UsageError('the name of the file does not say its format; give --format');
  const size = file === STANDARD_INPUT ? undefined : sizeOf(file);
  const defaultRejects = file === STANDARD_INPUT ? 'members.rejected.ndjson' : `${file}.rejected.ndjson`;
  const rejects = new RejectsFile(options.rejects ?? defaultRejects);
  await withAdmin(io, async ({ apps, dataSource, withOwnConnection }) => {
    const app = await apps.require(appId);
    const { end, ...progress } = await showProgress(io, size);
    const counts = await interruptible((signal) =>
      withOwnConnection(async (client) => {
        const input = file === STANDARD_INPUT ? io.streams.stdin : createReadStream(file);
        const onBegin = () => cancelOnAbort(client, dataSource, signal);
        return loadMembers(client, {
          appId,
          input,
          format,
          createConversations,
          rejects,
          signal,
          onBegin,
          ...progress,
        });
      }),
    ).finally(end);
    report(io, counts, rejects.path, createConversations);
    warnIfNotEnforced(io, app);
  });
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

import type { Rejects } from '../../conversations/bulk-load.js';
import { loadLeancloud } from '../../conversations/leancloud/load.js';
import { withAdmin } from '../admin.js';
import { sizeOf } from '../file-size.js';
import { cancelOnAbort, interruptible } from '../interruption.js';
import type { Io } from '../io.js';
import { warnIfNotEnforced } from '../membership.js';
import type { ForApp } from '../options.js';
import { showProgress } from '../progress.js';
import { RejectsFile } from '../rejects-file.js';
import { report } from './report.js';

export type LeancloudOptions = ForApp & { dryRun?: boolean; remove?: boolean; rejects?: string };

/** Rejects that a dry run shows. */
const MAX_SHOWN = 10;

export async function importLeancloud(
  io: Io,
  paths: readonly string[],
  { appId, dryRun = false, remove = false, rejects: path = `${paths[0] ?? ''}.rejected.ndjson` }: LeancloudOptions,
): Promise<void> {
  const sizes = paths.map(sizeOf);
  const size = sizes.reduce((sum, one) => (sum === undefined || one === undefined ? undefined : sum + one), 0);
  const rejects = dryRun ? new FirstRejects() : new RejectsFile(path, isReject);
  await withAdmin(io, async ({ apps, dataSource, withOwnConnection }) => {
    const app = await apps.require(appId);
    const { end, ...progress } = await showProgress(io, size);
    const outcome = await interruptible((signal) =>
      withOwnConnection(async (client) => {
        const onBegin = () => cancelOnAbort(client, dataSource, signal);
        return loadLeancloud(client, { appId, paths, dryRun, remove, rejects, signal, onBegin, ...progress });
      }),
    ).finally(end);
    report(io, outcome, { dryRun, remove, rejects: dryRun ? undefined : path });
    if (rejects instanceof FirstRejects) for (const line of rejects.first) io.print(line);
    warnIfNotEnforced(io, app);
  });
}

/** Whether a line is one that an import of this kind wrote. */
function isReject(line: string): boolean {
  try {
    const { file, line: number, reason } = JSON.parse(line) as Record<string, unknown>;
    return typeof file === 'string' && typeof number === 'number' && typeof reason === 'string';
  } catch {
    return false;
  }
}

/** Instead of a file. */
class FirstRejects implements Rejects {
  first: readonly string[] = [];

  async write(text: AsyncIterable<string>): Promise<void> {
    for await (const part of text) {
      this.first = [...this.first, ...part.trimEnd().split('\n')].slice(0, MAX_SHOWN);
    }
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }
}

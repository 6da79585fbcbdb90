import type { BulkLoad } from '../conversations/bulk-load.js';
import type { Io } from './io.js';

export type Progress = Pick<BulkLoad, 'onRead' | 'onPhase'> & { readonly end: () => void };

/** Shows on a terminal how much of a file is read, and nothing elsewhere. @param size in bytes; undefined: unknown. */
export async function showProgress({ streams: { stderr } }: Io, size: number | undefined): Promise<Progress> {
  if (!stderr.isTTY) return { onRead: () => undefined, onPhase: () => undefined, end: () => undefined };
  const { default: cliProgress } = await import('cli-progress');
  const format = size === undefined ? '{phase}: {megabytes} MB' : '{phase}: {bar} {percentage} % of {megabytes} MB';
  const bar = new cliProgress.SingleBar({ format, stream: stderr, hideCursor: true, clearOnComplete: true });
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  bar.start(size ?? 0, 0, { phase: 'reading', megabytes: megabytes(size ?? 0) });
  return {
    onRead: (bytes) => {
      bar.update(bytes, { megabytes: megabytes(size ?? bytes) });
    },
    onPhase: (phase) => {
      bar.update({ phase });
    },
    end: bar.stop.bind(bar),
  };
}

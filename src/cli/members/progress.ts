import type { Io } from '../io.js';

export interface Progress {
  /** Bytes that were read since. */
  readonly read: (bytes: number) => void;
  readonly begins: (phase: string) => void;
  readonly end: () => void;
}

const SILENT: Progress = { read: () => undefined, begins: () => undefined, end: () => undefined };

/** Shows on a terminal how much of a file is read; nothing where no person sees it. @param size undefined: it is not known. */
export async function showProgress(io: Io, size: number | undefined): Promise<Progress> {
  if (!io.streams.stderr.isTTY) return SILENT;
  const { default: cliProgress } = await import('cli-progress');
  const format = size === undefined ? '{phase}: {megabytes} MB' : '{phase}: {bar} {percentage} % of {megabytes} MB';
  const bar = new cliProgress.SingleBar({ format, hideCursor: true, clearOnComplete: true });
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  let done = 0;
  bar.start(size ?? 0, 0, { phase: 'reading', megabytes: megabytes(size ?? 0) });
  return {
    read(bytes) {
      done += bytes;
      bar.update(done, size === undefined ? { megabytes: megabytes(done) } : {});
    },
    begins(phase) {
      bar.update({ phase });
    },
    end() {
      bar.stop();
    },
  };
}

import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Rejects } from '../conversations/bulk-load.js';

/** In bytes: far more than a reject has. */
const MAX_FIRST_LINE = 65_536;

/** The file for rejected lines: made with the first of them, never over an existing file, unless that is one of its kind. */
export class RejectsFile implements Rejects {
  private file: FileHandle | undefined;
  private readonly replaces: boolean;

  /**
   * @param isReject whether a line is from a file of this kind, which is replaced; else none is.
   * @throws {Error} when another file is there, or the folder is not writable.
   */
  constructor(
    readonly path: string,
    isReject?: (line: string) => boolean,
  ) {
    this.replaces = existsSync(path);
    if (this.replaces && (isReject === undefined || !isEmptyOr(isReject, path))) {
      throw new Error(`${path} exists already; move it away, or name another with --rejects`);
    }
    try {
      accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      this.fail(error);
    }
  }

  async write(text: AsyncIterable<string>): Promise<void> {
    if (this.replaces) await rm(this.path).catch((error: unknown) => this.fail(error));
    for await (const part of text) {
      this.file ??= await open(this.path, 'wx').catch((error: unknown) => this.fail(error));
      await this.file.writeFile(part).catch((error: unknown) => this.fail(error));
    }
    await this.file?.sync().catch((error: unknown) => this.fail(error));
    await this.file?.close();
  }

  async remove(): Promise<void> {
    if (this.file === undefined) return;
    await this.file.close().catch(() => undefined);
    await rm(this.path, { force: true });
  }

  private fail(reason: unknown): never {
    const { code, message } = reason as NodeJS.ErrnoException;
    throw new Error(
      `the rejected lines cannot be written to ${this.path} (${code ?? message}); name another with --rejects`,
    );
  }
}

/** Whether a file is empty, as one is that a killed import began, or its first line is such a one. */
function isEmptyOr(isReject: (line: string) => boolean, path: string): boolean {
  const found = statSync(path);
  if (!found.isFile()) return false;
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(MAX_FIRST_LINE);
    const [line = ''] = bytes.toString('utf8', 0, readSync(file, bytes)).split('\n', 1);
    return found.size === 0 || isReject(line);
  } finally {
    closeSync(file);
  }
}

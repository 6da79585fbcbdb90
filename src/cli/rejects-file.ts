import { accessSync, constants, existsSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Rejects } from '../conversations/bulk-load.js';

/** The file for rejected lines: made with the first of them, never over an existing file. */
export class RejectsFile implements Rejects {
  private file: FileHandle | undefined;

  /** @throws {Error} when the file exists, or its folder is not writable. */
  constructor(readonly path: string) {
    if (existsSync(path)) throw new Error(`${path} exists already; move it away, or name another with --rejects`);
    try {
      accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      this.fail(error);
    }
  }

  async write(text: AsyncIterable<string>): Promise<void> {
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

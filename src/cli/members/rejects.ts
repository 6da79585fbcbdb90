import { accessSync, constants, existsSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Rejects } from '../../conversations/members/import.js';

/** The file for lines that are not loaded. It is made with the first of them, and never over a file that is there. */
export class RejectsFile implements Rejects {
  private file: FileHandle | undefined;
  private made = false;

  /** @throws {Error} a file is there, which may be the import itself, or none can be made. */
  constructor(readonly path: string) {
    if (existsSync(path)) {
      throw this.fault('it is there already: move it away, or name another with --rejects');
    }
    try {
      accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      throw this.fault((error as NodeJS.ErrnoException).code ?? '');
    }
  }

  async write(text: string): Promise<void> {
    await this.try(async () => {
      this.file ??= await open(this.path, 'wx');
      this.made = true;
      await this.file.writeFile(text);
    });
  }

  async finish(): Promise<void> {
    await this.try(async () => {
      await this.file?.sync();
      await this.file?.close();
    });
    this.file = undefined;
  }

  async remove(): Promise<void> {
    // Whatever became of it, it goes.
    await this.file?.close().catch(() => undefined);
    this.file = undefined;
    if (this.made) await rm(this.path, { force: true });
  }

  private async try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw this.fault((error as NodeJS.ErrnoException).code ?? (error as Error).message);
    }
  }

  private fault(reason: string): Error {
    return new Error(`the file of rejected lines, ${this.path}, cannot be written (${reason})`);
  }
}

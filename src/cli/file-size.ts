import { accessSync, constants, statSync } from 'node:fs';

/** In bytes; undefined: unknown, as of a pipe. @throws {Error} when the file is not readable. */
export function sizeOf(file: string): number | undefined {
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

import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';

/** Someone who gives the secret itself where its file is asked for must not find it in the log. A drive of Windows has a colon, too. */
const MAY_BE_THE_SECRET = /^(?![A-Za-z]:[\\/][^:=]*$).*[:=]/s;

/**
 * Reads a secret as Docker, Kubernetes and systemd hand it over.
 *
 * @param file its path, relative to the current folder.
 * @returns the text without a byte order mark and without blanks and line breaks at its ends; never empty.
 * @throws {Error} that says what is wrong; it names the file and never repeats what is in it.
 */
export function readSecretFile(file: string): string {
  const name = MAY_BE_THE_SECRET.test(file) ? 'the file (not named here: it looks like the secret itself)' : file;
  let bytes: Buffer;
  try {
    // A pipe could be read only once, and would be waited for.
    if (!statSync(file).isFile()) throw Object.assign(new Error(), { code: 'it is no regular file' });
    bytes = readFileSync(file);
  } catch (error) {
    throw new Error(`${name} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`, { cause: error });
  }
  if (!isUtf8(bytes)) throw new Error(`${name} is not UTF-8`);
  const text = new TextDecoder().decode(bytes).trim();
  if (text === '') throw new Error(`${name} is empty`);
  return text;
}

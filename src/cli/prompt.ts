import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import type { Io } from './io.js';
import { unseenIn, UsageError } from './options.js';

/**
 * Asks for secrets on a hidden prompt, each twice, or reads them from standard input, one a line, when that is no terminal: never from an
 * argument, which every process of the machine can see.
 *
 * @param names how the secrets are called in prompts and errors, in the order in which they are read.
 */
export async function readSecrets(io: Io, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  if (!io.streams.stdin.isTTY) return readLines(io, names);
  const secrets: string[] = [];
  for (const name of names) {
    const secret = await readHidden(io, name);
    if (secret !== (await readHidden(io, `${name}, once more`))) {
      throw new Error('the two are not the same; start again');
    }
    secrets.push(checked(name, secret));
  }
  return secrets;
}

/** Asks for one secret that need not be right, or reads it from standard input. */
export async function readOnce(io: Io, name: string): Promise<string> {
  if (io.streams.stdin.isTTY) return checked(name, await readHidden(io, name));
  const [secret = ''] = await readLines(io, [name]);
  return secret;
}

/** Asks a question whose answer is yes or no; anything but yes, Ctrl-C included, is no. @throws {UsageError} without a terminal. */
export async function confirm({ streams: { stdin, stderr } }: Io, question: string): Promise<boolean> {
  if (!stdin.isTTY) throw new UsageError(`there is no terminal to ask "${question}"; add --yes to say yes`);
  const terminal = createInterface({ input: stdin, output: stderr });
  const answer = await new Promise<string>((resolve) => {
    terminal.once('close', () => {
      resolve('');
    });
    terminal.question(`${question} [y/N] `, resolve);
  });
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

async function readHidden({ streams: { stdin, stderr } }: Io, name: string): Promise<string> {
  const { default: password } = await import('@inquirer/password');
  // The prompt goes to stderr, so that the output stays what the command answers.
  return password({ message: `The ${name}:`, toggleMask: false }, { input: stdin, output: stderr });
}

async function readLines({ streams }: Io, names: readonly string[]): Promise<string[]> {
  const lines = decode(await buffer(streams.stdin), names).split(/\r?\n/);
  // The line break at the end is what `echo` adds, and begins no line.
  if (lines.length > 1 && lines.at(-1) === '') lines.pop();
  if (lines.length !== names.length) {
    throw new Error(`standard input: expected ${names.length} line(s) (${names.join(', ')}), got ${lines.length}`);
  }
  return lines.map((line, i) => checked(names[i] ?? '', line));
}

/** Without the byte order mark that editors and shells of Windows put before a text. */
function decode(bytes: Buffer, names: readonly string[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const remedy = names.includes('HMAC secret')
      ? 'pipe it in that encoding, or a secret that is bytes as base64 with --hmac-secret-encoding base64'
      : 'pipe it in that encoding';
    throw new Error(`the ${names.join(' or the ')} is not UTF-8; ${remedy}`, { cause: error });
  }
}

function checked(name: string, secret: string): string {
  if (secret === '') throw new Error(`the ${name} is empty; type it, or pipe it to standard input`);
  const unseen = unseenIn(secret);
  if (unseen !== undefined) throw new Error(`the ${name} contains an invisible character (${unseen}); take it out`);
  return secret;
}

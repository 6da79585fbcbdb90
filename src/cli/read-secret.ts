import { buffer } from 'node:stream/consumers';
import password from '@inquirer/password';

/**
 * Asks for a secret on a hidden prompt, twice, or reads it from standard input when that is no terminal: never from an argument, which
 * every process of the machine can see. One line break at the end of the input is what `echo` adds, and no part of the secret.
 *
 * @param what how the secret is called in the prompt and in errors.
 */
export async function readSecret(what: string): Promise<string> {
  const secret = process.stdin.isTTY ? await askTwice(what) : await readAll(what);
  if (secret === '') throw new Error(`the ${what} is empty`);
  if (/\p{Cc}/u.test(secret)) throw new Error(`the ${what} contains a control character or a line break`);
  return secret;
}

async function askTwice(what: string): Promise<string> {
  // The prompt goes to stderr, so that the output stays what the command answers.
  const context = { output: process.stderr };
  const secret = await password({ message: `The ${what}:` }, context);
  if (secret !== (await password({ message: `The ${what}, once more:` }, context))) {
    throw new Error('the two are not the same: start again');
  }
  return secret;
}

async function readAll(what: string): Promise<string> {
  const bytes = await buffer(process.stdin);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch (error) {
    throw new Error(`the ${what} is not UTF-8`, { cause: error });
  }
}

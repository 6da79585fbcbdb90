import { appendFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';

/** A shorter secret could not be told from other text. */
const MIN_LENGTH = 12;

/** Keeps what a service or a command has written, for the end of the run (`redaction.setup.ts`). */
export function recordOutput(text: string): void {
  append('output', text);
}

/** Keeps a key, a secret, a password or a token, none of which may have been written anywhere at the end of the run. */
export function recordSecret(secret: string): void {
  if (secret.length < MIN_LENGTH) throw new Error('This secret is too short to be found in a log.');
  append('secrets', `${JSON.stringify(secret)}\n`);
}

/** Keeps the keys and the password that the environment of a service or a command holds. */
export function recordEnvironment({ SECRETS_KEY, DATABASE_URL }: NodeJS.Dict<string>): void {
  for (const key of SECRETS_KEY?.match(/[A-Za-z0-9+/]{43}=/g) ?? []) recordSecret(key);
  const password = URL.canParse(DATABASE_URL ?? '') ? new URL(DATABASE_URL ?? '').password : '';
  // A server of somebody else may have a short one.
  if (password.length >= MIN_LENGTH) recordSecret(decodeURIComponent(password));
}

/** Only where the run has a folder for it. */
function append(kind: string, text: string): void {
  const folder = inject('recorded') as string | undefined;
  if (folder !== undefined) appendFileSync(join(folder, `${process.pid}.${kind}`), text);
}

/** Where a secret stands in what was written, in any of its forms: the lines, with the secret left out. */
export async function leaksIn(folder: string): Promise<{ secrets: number; lines: number; leaks: string[] }> {
  const files = await readdir(folder);
  const read = async (kind: string): Promise<string> => {
    const texts = files.filter((name) => name.endsWith(`.${kind}`)).map((name) => readFile(join(folder, name), 'utf8'));
    return (await Promise.all(texts)).join('\n');
  };
  const secrets = new Set((await read('secrets')).split('\n').filter((line) => line !== ''));
  const output = await read('output');
  const forms = new Set(Array.from(secrets, (secret) => formsOf(JSON.parse(secret) as string)).flat());
  const leaks = new Set<string>();
  for (const form of forms) {
    const at = output.indexOf(form);
    if (at === -1) continue;
    const line = output.slice(output.lastIndexOf('\n', at) + 1, output.indexOf('\n', at));
    leaks.add(
      Array.from(forms)
        .reduce((text, each) => text.replaceAll(each, '(a secret)'), line)
        .slice(0, 500),
    );
  }
  return { secrets: secrets.size, lines: output.split('\n').length, leaks: [...leaks] };
}

/** As it is, as JSON has it, encoded, decoded where it is base64 itself, and the parts of a token. */
function formsOf(secret: string): string[] {
  const bytes = [Buffer.from(secret)];
  if (/^[A-Za-z0-9+/]{43}=$/.test(secret)) bytes.push(Buffer.from(secret, 'base64'));
  const encoded = bytes.flatMap((plain) => [
    plain.toString('base64').replace(/=+$/, ''),
    plain.toString('base64url'),
    plain.toString('hex'),
  ]);
  // The header of a token says only how it is signed.
  const parts = secret.split('.').slice(1);
  const all = [secret, JSON.stringify(secret).slice(1, -1), ...encoded, ...parts];
  return all.filter((form) => form.length >= MIN_LENGTH);
}

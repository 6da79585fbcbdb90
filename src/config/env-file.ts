import { isUtf8 } from 'node:buffer';
import { lstatSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { SettingsError } from './settings-error.js';

/** A line that sets a variable. Not base64, whose last line may end with "=". */
const ASSIGNMENT = String.raw`(?:export[ \t]+)?[A-Za-z_]\w*[ \t]*=(?!=?[ \t]*$)`;

/**
 * Reads a file of `NAME=value` lines. A byte order mark is taken off: with it, the name of the first variable would be another one.
 *
 * @returns the variables; none where the file is not there.
 * @throws {SettingsError} that names the line, and never repeats it: it may hold a secret.
 */
export function readEnvFile(file: string): NodeJS.Dict<string> {
  // Not existsSync: a link that leads nowhere is a mistake.
  if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return {};
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new SettingsError([`${file}: it cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`]);
  }
  if (!isUtf8(bytes)) throw new SettingsError([`${file}: it is not UTF-8`]);
  const lines = new TextDecoder().decode(bytes).replace(/\r\n?/g, '\n');
  // Node 20 takes a comment that is indented, blanks on a line of their own, and a tab before a name for a part of the name.
  const unindented = lines.replace(new RegExp(`^[ \\t]+(?=#|$|${ASSIGNMENT})`, 'gm'), '');
  // Node 22 and later take the next line for the value of a name that only blanks follow, and "export" for a part of the name.
  const text = unindented.replace(/^(?:export[ \t]+)?([\w.-]+[ \t]*=)[ \t]*$/gm, '$1');
  const variables = parseEnv(text);
  const open = openLine(text, variables);
  if (open !== undefined) {
    throw new SettingsError([
      `${file}: line ${open} has a quote that is not closed: the lines below it are in the value`,
    ]);
  }
  const misread = misreadLine(text, variables);
  if (misread === undefined) return variables;
  throw new SettingsError([`${file}: line ${misread} is not of the form NAME=value`]);
}

/** The number of the first line that is no comment and sets no variable as people read it, or undefined. */
function misreadLine(text: string, variables: NodeJS.Dict<string>): number | undefined {
  const name = Object.keys(variables).find((key) => !/^[\w.-]+$/.test(key));
  // Node passes over a line without "=", or takes it for the beginning of the next name. A value may have several lines.
  const values = Object.values(variables).filter((value) => value?.includes('\n'));
  const isPartOfValue = (line: string) => values.some((value) => value?.includes(line.replace(/["'`].*/, '')));
  const lines = text.split('\n');
  const without = lines.findIndex((line) => /^\s*[^#\s]/.test(line) && !line.includes('=') && !isPartOfValue(line));
  if (without >= 0) return without + 1;
  return name === undefined ? undefined : text.slice(0, text.indexOf(name)).split('\n').length;
}

/** The number of the first line whose value holds lines that set variables, or undefined. */
function openLine(text: string, variables: NodeJS.Dict<string>): number | undefined {
  const holdsLines = (value = ''): boolean => new RegExp(`\n[ \\t]*${ASSIGNMENT}`, 'm').test(value);
  const name = Object.keys(variables).find((key) => holdsLines(variables[key]));
  if (name === undefined) return undefined;
  const lines = text.split('\n');
  return lines.findIndex((line) => line.replace(/^[ \t]*(?:export[ \t]+)?/, '').startsWith(name)) + 1;
}

import { isUtf8 } from 'node:buffer';
import { lstatSync, readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { SettingsError } from './settings-error.js';

/** The beginning of a line that sets a variable. */
const ASSIGNMENT = /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=/;
/** Also those that an editor makes of typed ones. */
const QUOTES = /^["'`“”„‘’]/;

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
  const text = new TextDecoder().decode(bytes).replace(/\r\n?/g, '\n');
  // Not Node's own parser, which differs from version to version, and loses lines.
  const variables = parse(text);
  const open = openLine(text, variables);
  if (open !== undefined) {
    throw new SettingsError([
      `${file}: line ${open} has a quote that is not closed: the lines below it are in the value`,
    ]);
  }
  const odd = oddLine(text, variables);
  if (odd !== undefined) {
    throw new SettingsError([
      `${file}: line ${odd} has a value that begins with a quote and is not in quotes: put the whole of it in " or in '`,
    ]);
  }
  const cut = cutLine(text, variables);
  if (cut !== undefined) {
    throw new SettingsError([
      `${file}: line ${cut} has a # in its value: put the value in quotes, or a blank before a comment`,
    ]);
  }
  const misread = misreadLine(text, variables);
  if (misread === undefined) return variables;
  throw new SettingsError([`${file}: line ${misread} is not of the form NAME=value`]);
}

/** The number of the first line that is no comment and sets no variable, or undefined. */
function misreadLine(text: string, variables: Readonly<Record<string, string>>): number | undefined {
  const values = Object.values(variables).filter((value) => value.includes('\n'));
  const isPartOfValue = (line: string) => values.some((value) => value.includes(line.replace(/["'`].*/, '')));
  const isRead = (line: string) => /^\s*(?:#|$)/.test(line) || ASSIGNMENT.test(line) || isPartOfValue(line);
  const misread = text.split('\n').findIndex((line) => !isRead(line));
  return misread < 0 ? undefined : misread + 1;
}

/** The number of the first line whose value holds lines that set variables, or undefined. */
function openLine(text: string, variables: Readonly<Record<string, string>>): number | undefined {
  const held = (value: string): string[] => value.split('\n').slice(1);
  const name = Object.keys(variables).find((key) => held(variables[key] ?? '').some(setsVariable));
  if (name === undefined) return undefined;
  const lines = text.split('\n');
  return lines.findIndex((line) => ASSIGNMENT.exec(line)?.[1] === name) + 1;
}

/** The number of the first line whose value keeps the quote that it begins with, or undefined. */
function oddLine(text: string, variables: Readonly<Record<string, string>>): number | undefined {
  const odd = text.split('\n').findIndex((line) => {
    const [beginning = '', name = ''] = ASSIGNMENT.exec(line) ?? [];
    const [quote] = QUOTES.exec(line.slice(beginning.length).trimStart()) ?? [];
    return quote !== undefined && variables[name]?.startsWith(quote);
  });
  return odd < 0 ? undefined : odd + 1;
}

/** Not so the last line of a text in base64, which may end with "=". */
function setsVariable(line: string): boolean {
  return ASSIGNMENT.test(line) && !/^[^=]*==?\s*$/.test(line);
}

/** The number of the first line of which a `#` without a blank before it cut off the rest of the value, or undefined. */
function cutLine(text: string, variables: Readonly<Record<string, string>>): number | undefined {
  const cut = text.split('\n').findIndex((line) => {
    const [beginning = '', name = ''] = ASSIGNMENT.exec(line) ?? [];
    const [kept, rest] = line.slice(beginning.length).split('#', 2);
    return (
      rest !== undefined && kept !== undefined && /\S$/.test(beginning + kept) && variables[name] === kept.trimStart()
    );
  });
  return cut < 0 ? undefined : cut + 1;
}

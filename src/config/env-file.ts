import { isUtf8 } from 'node:buffer';
import { lstatSync, readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { SettingsError } from './settings-error.js';

/** The beginning of a line that sets a variable. */
const ASSIGNMENT = /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=/;
const FIRST_NAME = /^\s*(?:export\s+)?([\w.-]+)/;
/** Also those that an editor makes of typed ones. */
const QUOTES = /^["'`“”„‘’]/;

type Variables = Readonly<Record<string, string>>;

type Find = (lines: readonly string[], variables: Variables) => number;

/** What a line may be that is not taken for what it shows: how to find the first one, and what is said of it. */
const FAULTS: readonly (readonly [Find, string])[] = [
  [openLine, 'has a quote that is not closed: the lines below it are in the value'],
  [oddLine, `has a value that begins with a quote and is not in quotes: put the whole of it in " or in '`],
  [cutLine, 'has a # in its value: put the value in quotes, or a blank before a comment'],
  [misreadLine, 'is not of the form NAME=value'],
];

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
  const lines = text.split('\n');
  for (const [find, fault] of FAULTS) {
    const index = find(lines, variables);
    if (index >= 0) throw new SettingsError([`${file}: line ${index + 1} ${fault}`]);
  }
  return variables;
}

/** The index of the first line whose value holds lines that set variables, or -1. */
function openLine(lines: readonly string[], variables: Variables): number {
  const held = (value: string): string[] => value.split('\n').slice(1);
  const name = Object.keys(variables).find((key) => held(variables[key] ?? '').some(setsVariable));
  // dotenv takes NAME: value, too.
  return name === undefined ? -1 : lines.findIndex((line) => FIRST_NAME.exec(line)?.[1] === name);
}

/** Not so the last line of a text in base64, which may end with "=". */
function setsVariable(line: string): boolean {
  return ASSIGNMENT.test(line) && !/^[^=]*==?\s*$/.test(line);
}

/** The index of the first line whose value keeps the quote that it begins with, or -1. */
function oddLine(lines: readonly string[], variables: Variables): number {
  return lines.findIndex((line) => {
    const [beginning = '', name = ''] = ASSIGNMENT.exec(line) ?? [];
    const [quote] = QUOTES.exec(line.slice(beginning.length).trimStart()) ?? [];
    return quote !== undefined && variables[name]?.startsWith(quote);
  });
}

/** The index of the first line of which a `#` without a blank before it cut off the rest of the value, or -1. */
function cutLine(lines: readonly string[], variables: Variables): number {
  return lines.findIndex((line) => {
    const [beginning = '', name = ''] = ASSIGNMENT.exec(line) ?? [];
    const [kept = '', rest] = line.slice(beginning.length).split('#', 2);
    return rest !== undefined && /\S$/.test(beginning + kept) && variables[name] === kept.trimStart();
  });
}

/** The index of the first line that is no comment and sets no variable, or -1. */
function misreadLine(lines: readonly string[], variables: Variables): number {
  const values = Object.values(variables).filter((value) => value.includes('\n'));
  const isPartOfValue = (line: string) => values.some((value) => value.includes(line.replace(/["'`].*/, '')));
  return lines.findIndex((line) => !/^\s*(?:#|$)/.test(line) && !ASSIGNMENT.test(line) && !isPartOfValue(line));
}

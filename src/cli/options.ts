import { type Command, InvalidArgumentError, Option } from 'commander';
import { idFault, isId } from '../problems/ids.js';

/** An error in how a command is called: exit code 2. */
export class UsageError extends Error {}

/** Several things that are wrong, a line for each: exit code 1. */
export class Faults extends Error {
  constructor(readonly lines: readonly string[]) {
    super(lines.join('\n'));
  }
}

type IdOption = readonly [flags: string, description: string, parse: typeof parseId];

export const APP_ID: IdOption = ['--app-id <id>', 'the app id of the IM platform', parseId];
export const CLIENT_ID: IdOption = ['--client-id <id>', 'the client', parseId];
export const CONVERSATION_ID: IdOption = ['--conversation-id <id>', 'the conversation', parseId];
export const JSON_OUTPUT = ['--json', 'print JSON'] as const;

export type ForApp = Record<'appId', string>;
export type ForClient = Record<'appId' | 'clientId', string>;
export type ForConversation = Record<'appId' | 'conversationId', string>;

/** @param given the id that was given before, by the same option or another name of it. */
export function parseId(text: string, given?: string): string {
  if (!isId(text)) throw new InvalidArgumentError(`It ${idFault(text)}.`);
  if (given !== undefined && given !== text) {
    throw new InvalidArgumentError(`It differs from "${given}", which is given, too.`);
  }
  return text;
}

/** The id of a new app. An invisible character is refused: the app would look like another one. */
export function parseNewId(text: string, given?: string): string {
  return parseText(parseId(text, given));
}

/** The first character that nobody sees, or a space at an end, as U+200B; undefined where all are seen. */
export function unseenIn(text: string): string | undefined {
  const [unseen] = /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]|^ | $/u.exec(text) ?? [];
  return unseen && `U+${unseen.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0') ?? ''}`;
}

/** Takes an id as an option, as every command does, or as an argument, as the command once did. */
export function idOrArgument(command: Command, [flags, description, parse]: IdOption): Command {
  const option = new Option(flags, `${description} (required)`).argParser(parse);
  return command
    .addOption(option)
    .argument('[id]', `the same as ${option.long ?? ''}`, parse)
    .hook('preAction', () => {
      const name = option.attributeName();
      const ids = new Set([command.getOptionValue(name), command.processedArgs[0]] as (string | undefined)[]);
      ids.delete(undefined);
      if (ids.size === 0) command.error(`error: required option '${flags}' not specified`);
      if (ids.size > 1) command.error(`error: '${[...ids].join("' and '")}' are two ids, one is expected`);
      command.setOptionValue(name, [...ids][0]);
    });
}

export function parseText(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  const unseen = unseenIn(text);
  if (unseen !== undefined) throw new InvalidArgumentError(`It contains an invisible character (${unseen}).`);
  return text;
}

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
/** The years that PostgreSQL and `--until` take. */
const LAST_END = Date.parse('9999-12-31T23:59:59.999Z');

/** @returns seconds. */
export function parseDuration(text: string): number {
  const [, number, unit = ''] = /^([1-9]\d{0,11})([smhdw])$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('A whole number with s, m, h, d or w, such as 90m or 1d.');
  const seconds = Number(number) * (SECONDS[unit] ?? NaN);
  if (Date.now() + seconds * 1000 > LAST_END) {
    throw new InvalidArgumentError('It ends after the year 9999; without the option a ban is permanent.');
  }
  return seconds;
}

/** A parser for a time in the future. @param otherwise what to do instead of naming a past one. */
export const parseTime =
  (otherwise: string) =>
  (text: string): Date => {
    // Without an offset the text would be another time on another machine.
    const [, day = '', hour = ''] =
      /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
    if (day === '') {
      throw new InvalidArgumentError('A time has the form 2027-01-31T22:00:00Z or 2027-01-31T22:00:00+08:00.');
    }
    if (!isDay(day)) throw new InvalidArgumentError(`There is no day ${day}.`);
    if (Number.isNaN(Date.parse(text)) || hour >= '24') {
      throw new InvalidArgumentError(`There is no time ${text.slice(11)}.`);
    }
    const time = new Date(text);
    if (time.getTime() < Date.now()) throw new InvalidArgumentError(`The time is past; ${otherwise}.`);
    return time;
  };

/** JavaScript takes the 31st of February for the 3rd of March. */
function isDay(day: string): boolean {
  const time = Date.parse(`${day}T00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}

import { InvalidArgumentError } from 'commander';
import { idFault, isId } from '../problems/ids.js';

/** An error in how a command is called: exit code 2. */
export class UsageError extends Error {}

export const APP_ID = ['--app-id <id>', 'the app id of the IM platform', parseId] as const;
export const CLIENT_ID = ['--client-id <id>', 'the client', parseId] as const;
export const JSON_OUTPUT = ['--json', 'print JSON'] as const;

export type ForApp = Record<'appId', string>;
export type ForClient = Record<'appId' | 'clientId', string>;

export function parseId(text: string): string {
  if (!isId(text)) throw new InvalidArgumentError(`It ${idFault(text)}.`);
  return text;
}

/** The first character that nobody sees, or a space at an end, as U+200B; undefined where all are seen. */
export function unseenIn(text: string): string | undefined {
  const [unseen] = /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]|^ | $/u.exec(text) ?? [];
  return unseen && `U+${unseen.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0') ?? ''}`;
}

export function parseText(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  const unseen = unseenIn(text);
  if (unseen !== undefined) throw new InvalidArgumentError(`It contains an invisible character (${unseen}).`);
  return text;
}

/** A parser for a time in the future. @param otherwise what to do instead of naming a past one. */
export const parseTime =
  (otherwise: string) =>
  (text: string): Date => {
    // Without an offset the text would be another time on another machine.
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text) || !isRealTime(text)) {
      throw new InvalidArgumentError('A time has the form 2027-01-31T22:00:00Z or 2027-01-31T22:00:00+08:00.');
    }
    const time = new Date(text);
    if (time.getTime() < Date.now()) throw new InvalidArgumentError(`The time is past; ${otherwise}.`);
    return time;
  };

/** Whether the day and the hour exist: JavaScript takes the 31st of February for the 3rd of March. */
function isRealTime(text: string): boolean {
  const local = Date.parse(`${text.replace(/(Z|[+-]\d\d:\d\d)$/, '')}Z`);
  return !Number.isNaN(Date.parse(text)) && new Date(local).toISOString().startsWith(text.slice(0, 16));
}

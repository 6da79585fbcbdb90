import { InvalidArgumentError, Option } from 'commander';
import { idFault, isId } from '../problems/ids.js';

export const appId = (): Option =>
  new Option('--app-id <id>', 'the app id of the IM platform').argParser(parseId).makeOptionMandatory();

export const clientId = (): Option =>
  new Option('--client-id <id>', 'the client').argParser(parseId).makeOptionMandatory();

export const json = (): Option => new Option('--json', 'print JSON');

export function parseId(text: string): string {
  if (!isId(text)) throw new InvalidArgumentError(`It ${idFault(text)}.`);
  return text;
}

export function parseText(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

/** A moment that is still to come. @param otherwise what to do instead of naming one that is past. */
export const parseTime =
  (otherwise: string) =>
  (text: string): Date => {
    // Without an offset the time would be another one on another machine.
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text) || !isRealTime(text)) {
      throw new InvalidArgumentError(
        'A time has the form 2027-01-31T22:00:00Z or 2027-01-31T22:00:00+08:00.',
      );
    }
    const time = new Date(text);
    if (time.getTime() < Date.now()) throw new InvalidArgumentError(`The time is past; ${otherwise}.`);
    return time;
  };

/** Whether there is such a day and hour: the 31st of February is none, though JavaScript takes it for the 3rd of March. */
function isRealTime(text: string): boolean {
  const local = Date.parse(`${text.replace(/(Z|[+-]\d\d:\d\d)$/, '')}Z`);
  return !Number.isNaN(Date.parse(text)) && new Date(local).toISOString().startsWith(text.slice(0, 16));
}

import { Command, InvalidArgumentError, Option } from 'commander';
import type { Io, OutputOptions } from '../io.js';
import { appId, clientId, json, parseText, parseTime } from '../options.js';
import type { BanOptions } from './ban.js';

/** `ban …`: written at once; unlike an app, a ban is nothing to review first. */
export function banCommands(io: Io): Command {
  const ban = new Command('ban').description('ban clients from an app, at once and without a migration');
  ban
    .command('add')
    .description('ban a client: permanent unless --for or --until; replaces an existing ban')
    .addOption(appId())
    .addOption(clientId())
    .addOption(
      new Option('--for <time>', 'how long: a number of s, m, h, d or w, such as 1d')
        .argParser(parseDuration)
        .conflicts('until'),
    )
    .addOption(
      new Option('--until <time>', 'when it ends, such as 2027-01-31T22:00:00Z').argParser(
        parseTime('"ban remove" ends a ban now'),
      ),
    )
    .addOption(new Option('--reason <text>', 'for people; no client is told').argParser(parseText))
    .action(async (options: BanOptions) => (await import('./ban.js')).add(io, options));
  ban
    .command('remove')
    .description('lift the ban of a client')
    .addOption(appId())
    .addOption(clientId())
    .action(async (options: BanOptions) => (await import('./ban.js')).remove(io, options));
  ban
    .command('list')
    .description('all bans of an app, also those that are over')
    .addOption(appId())
    .addOption(json())
    .action(async (options: OutputOptions & { appId: string }) =>
      (await import('./ban.js')).list(io, options),
    );
  return ban;
}

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** The years that PostgreSQL and `--until` take. */
const LAST_END = Date.parse('9999-12-31T23:59:59.999Z');

/** @returns seconds. */
function parseDuration(text: string): number {
  const [, number, unit = ''] = /^([1-9]\d{0,11})([smhdw])$/.exec(text) ?? [];
  if (number === undefined) {
    throw new InvalidArgumentError('A whole number with s, m, h, d or w, such as 90m or 1d.');
  }
  const seconds = Number(number) * (SECONDS[unit] ?? NaN);
  if (Date.now() + seconds * 1000 > LAST_END) {
    throw new InvalidArgumentError('It ends after the year 9999; without the option a ban is permanent.');
  }
  return seconds;
}

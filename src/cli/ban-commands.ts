import { Command, InvalidArgumentError, Option } from 'commander';
import { appId, parseId, parseText, parseTime } from './app-options.js';
import type { BanOptions } from './ban-changes.js';
import type { OutputOptions } from './output.js';

const clientId = (): Option =>
  new Option('--client-id <id>', 'the client').argParser(parseId).makeOptionMandatory();

/** `ban …`: written at once; unlike an app, a ban is nothing to review first. */
export function banCommands(): Command {
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
    .action(async (options: BanOptions) => (await import('./ban-changes.js')).add(options));
  ban
    .command('remove')
    .description('lift the ban of a client')
    .addOption(appId())
    .addOption(clientId())
    .action(async (options: BanOptions) => (await import('./ban-changes.js')).remove(options));
  ban
    .command('list')
    .description('all bans of an app, also those that are over')
    .addOption(appId())
    .option('--json', 'print JSON')
    .action(async (options: OutputOptions & { appId: string }) =>
      (await import('./ban-report.js')).list(options),
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

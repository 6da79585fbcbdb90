import { type Command, Option } from 'commander';
import { addBan, type Ban, type BanTerms, listBans, removeBan } from '../../conversations/bans.js';
import { withAdmin } from '../admin.js';
import { DATABASE, details } from '../help.js';
import { harmless, type Io, type OutputOptions } from '../io.js';
import {
  APP_ID,
  CLIENT_ID,
  type ForApp,
  type ForClient,
  JSON_OUTPUT,
  parseDuration,
  parseText,
  parseTime,
} from '../options.js';

/** `for`: in seconds. */
type BanOptions = ForClient & { for?: number; until?: Date; reason?: string };

/** `ban …`: written at once; unlike an app, a ban needs no review first. */
export function banCommands(program: Command, io: Io): void {
  const ban = program.command('ban').description('ban clients from an app, at once and without a migration');
  ban
    .command('add')
    .summary('ban a client')
    .description('ban a client: permanent unless --for or --until; replaces an existing ban')
    .requiredOption(...APP_ID)
    .requiredOption(...CLIENT_ID)
    .addOption(
      new Option('--for <duration>', 'how long: a number of s, m, h, d or w, such as 1d')
        .argParser(parseDuration)
        .conflicts('until'),
    )
    .option('--until <time>', 'when it ends, such as 2027-01-31T22:00:00Z', parseTime('"ban remove" ends a ban now'))
    .option('--reason <text>', 'for people; no client is told', parseText)
    .addHelpText(
      'after',
      details({
        reads: DATABASE,
        example: 'im-signature ban add --app-id shop --client-id bob --for 1d --reason spam',
      }),
    )
    .action((options: BanOptions) => add(io, options));
  ban
    .command('remove')
    .summary('lift a ban')
    .description('lift the ban of a client')
    .requiredOption(...APP_ID)
    .requiredOption(...CLIENT_ID)
    .addHelpText(
      'after',
      details({ reads: DATABASE, example: 'im-signature ban remove --app-id shop --client-id bob' }),
    )
    .action((options: ForClient) => remove(io, options));
  ban
    .command('list')
    .summary('list the bans of an app')
    .description('list the bans of an app, also those that are over')
    .requiredOption(...APP_ID)
    .option(...JSON_OUTPUT)
    .addHelpText('after', details({ reads: DATABASE, example: 'im-signature ban list --app-id shop' }))
    .action((options: OutputOptions & ForApp) => list(io, options));
}

async function add(io: Io, { appId, clientId, for: seconds, until, reason }: BanOptions): Promise<void> {
  await withAdmin(io, async ({ dataSource, apps }) => {
    await apps.require(appId);
    const { ban, replaced } = await addBan(dataSource, { appId, clientId, seconds, until, reason });
    io.printSuccess(`"${clientId}" is banned from the app "${appId}" ${untilText(ban)}`);
    if (replaced !== undefined) io.print(replacedText(replaced));
  });
}

async function remove(io: Io, { appId, clientId }: ForClient): Promise<void> {
  await withAdmin(io, async ({ dataSource, apps }) => {
    await apps.require(appId);
    if (!(await removeBan(dataSource, appId, clientId))) {
      throw new Error(`"${clientId}" is not banned from the app "${appId}"; "im-signature ban list" lists who is`);
    }
    io.printSuccess(`"${clientId}" is not banned from the app "${appId}" any more`);
  });
}

async function list(io: Io, options: OutputOptions & ForApp): Promise<void> {
  await withAdmin(io, async ({ dataSource, apps }) => {
    await apps.require(options.appId);
    io.printTable(await listBans(dataSource, options.appId), options, (ban) => ({
      client_id: ban.client_id,
      state: ban.in_force ? io.warning('in force') : 'over',
      banned_until: ban.banned_until ?? 'permanent',
      time: timeText(ban),
      by: ban.created_by,
      reason: ban.reason === null ? null : harmless(ban.reason),
    }));
  });
}

/** Which ban a new one replaces: it may have been longer. */
export function replacedText(replaced: BanTerms): string {
  const why = replaced.reason === null ? 'without a reason' : `for the reason ${JSON.stringify(replaced.reason)}`;
  return harmless(`this replaces the earlier ban, ${untilText(replaced)}, ${why}`);
}

/** Until when a ban lasts, after "is banned". */
export function untilText({ banned_until: until }: Pick<Ban, 'banned_until'>): string {
  return until === null ? 'permanently' : `until ${until}`;
}

function timeText({ seconds_left: left }: Ban): string {
  if (left === null) return '';
  return left > 0 ? `${durationText(left)} left` : `since ${durationText(-left)}`;
}

/** A duration in its two largest units: `2 d 5 h`. */
function durationText(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0 s';
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ');
}

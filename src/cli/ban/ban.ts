import { requireApp } from '../../apps/app-records.js';
import { addBan, type Ban, listBans, removeBan } from '../../conversations/bans.js';
import { withAdmin } from '../admin.js';
import type { Io, OutputOptions } from '../io.js';

export interface BanOptions {
  appId: string;
  clientId: string;
  /** In seconds. */
  for?: number;
  until?: Date;
  reason?: string;
}

export async function add(io: Io, { appId, clientId, ...options }: BanOptions): Promise<void> {
  await withAdmin(io, async ({ dataSource }) => {
    await requireApp(dataSource, appId);
    const { ban, replaced } = await addBan(dataSource, { appId, clientId, seconds: options.for, ...options });
    io.printSuccess(`"${clientId}" is banned from the app "${appId}" ${untilText(ban)}`);
    if (replaced === undefined) return;
    const why =
      replaced.reason === null ? 'without a reason' : `for the reason ${JSON.stringify(replaced.reason)}`;
    io.print(`this replaces the ban that was there, ${untilText(replaced)}, ${why}`);
  });
}

export async function remove(io: Io, { appId, clientId }: BanOptions): Promise<void> {
  await withAdmin(io, async ({ dataSource }) => {
    await requireApp(dataSource, appId);
    if (!(await removeBan(dataSource, appId, clientId))) {
      throw new Error(`"${clientId}" is not banned from the app "${appId}"`);
    }
    io.printSuccess(`"${clientId}" is not banned from the app "${appId}" any more`);
  });
}

export async function list(io: Io, options: OutputOptions & { appId: string }): Promise<void> {
  await withAdmin(io, async ({ dataSource }) => {
    await requireApp(dataSource, options.appId);
    io.printTable(
      await listBans(dataSource, options.appId),
      {
        client: (ban) => ban.client_id,
        state: (ban) => (ban.in_force ? io.warning('in force') : 'over'),
        until: (ban) => ban.banned_until ?? 'permanent',
        '': timeText,
        // Written by others: nothing in it may steer the terminal.
        reason: (ban) => ban.reason?.replace(/[\p{Cc}\p{Bidi_Control}]/gu, ' '),
      },
      options,
    );
  });
}

function untilText({ banned_until: until }: Pick<Ban, 'banned_until'>): string {
  return until === null ? 'permanently' : `until ${until}`;
}

function timeText({ seconds_left: left }: Ban): string {
  if (left === null) return '';
  return left > 0 ? `${durationText(left)} left` : `since ${durationText(-left)}`;
}

/** How long a time is, in its two largest units: `2 d 5 h`. */
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

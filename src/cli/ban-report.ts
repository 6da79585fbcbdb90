import { requireApp, withAdmin } from './admin-context.js';
import { durationText, endOf, ENDS, type Ends, isoOf } from './ban-end.js';
import { type OutputOptions, printTable, warning } from './output.js';

const BANS = `
  SELECT client_id, ${ENDS}, reason FROM client_bans WHERE app_id = $1 ORDER BY client_id`;

interface Row extends Ends {
  readonly client_id: string;
  readonly reason: string | null;
}

type Ban = ReturnType<typeof banOf>;

export async function list(options: OutputOptions & { appId: string }): Promise<void> {
  await withAdmin(async (admin) => {
    await requireApp(admin, options.appId);
    const rows = await admin.dataSource.query<Row[]>(BANS, [options.appId]);
    const now = Date.now();
    printTable(
      rows.map((row) => banOf(row, now)),
      {
        client: (ban) => ban.client_id,
        state: (ban) => (ban.in_force ? warning('in force') : 'over'),
        until: (ban) => ban.banned_until ?? 'for good',
        '': timeOf,
        // Written by others: nothing in it may steer the terminal.
        reason: (ban) => ban.reason?.replace(/[\p{Cc}\p{Bidi_Control}]/gu, ' '),
      },
      options,
    );
  });
}

/** Whether a ban counts is judged as the service does: by the clock of the machine. */
function banOf(row: Row, now: number) {
  const end = endOf(row);
  return {
    client_id: row.client_id,
    banned_until: end === Infinity ? null : isoOf(end),
    in_force: end > now,
    /** How long it still lasts; negative: since when it is over. */
    seconds_left: end === Infinity ? null : Math.ceil((end - now) / 1000),
    reason: row.reason,
  };
}

function timeOf({ seconds_left: left }: Ban): string {
  if (left === null) return '';
  return left > 0 ? `${durationText(left)} left` : `since ${durationText(-left)}`;
}

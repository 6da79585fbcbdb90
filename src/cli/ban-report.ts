import { requireApp, withAdmin } from './admin-context.js';
import { durationText, endOf, ENDS, type Ends, isoOf } from './ban-end.js';
import { type OutputOptions, printTable, warning } from './output.js';

/** Whether a ban counts is judged as the service does: by PostgreSQL's clock. */
const BANS = `
  SELECT client_id, ${ENDS}, banned_until IS NULL OR banned_until > now() AS in_force,
    ceil(EXTRACT(epoch FROM banned_until) - EXTRACT(epoch FROM now()))::float8 AS seconds_left, reason
  FROM client_bans WHERE app_id = $1 ORDER BY client_id`;

interface Row extends Ends {
  readonly client_id: string;
  readonly in_force: boolean;
  /** How long it still lasts; negative: since when it is over; null: permanent. */
  readonly seconds_left: number | null;
  readonly reason: string | null;
}

type Ban = ReturnType<typeof banOf>;

export async function list(options: OutputOptions & { appId: string }): Promise<void> {
  await withAdmin(async (admin) => {
    await requireApp(admin, options.appId);
    const rows = await admin.dataSource.query<Row[]>(BANS, [options.appId]);
    printTable(
      rows.map(banOf),
      {
        client: (ban) => ban.client_id,
        state: (ban) => (ban.in_force ? warning('in force') : 'over'),
        until: (ban) => ban.banned_until ?? 'permanent',
        '': timeOf,
        // Written by others: nothing in it may steer the terminal.
        reason: (ban) => ban.reason?.replace(/[\p{Cc}\p{Bidi_Control}]/gu, ' '),
      },
      options,
    );
  });
}

function banOf(row: Row) {
  const end = endOf(row);
  return {
    client_id: row.client_id,
    banned_until: end === Infinity ? null : isoOf(end),
    in_force: row.in_force,
    seconds_left: end === Infinity ? null : row.seconds_left,
    reason: row.reason,
  };
}

function timeOf({ seconds_left: left }: Ban): string {
  if (left === null) return '';
  return left > 0 ? `${durationText(left)} left` : `since ${durationText(-left)}`;
}

import { requireApp, withAdmin } from './admin-context.js';
import { endOf, ENDS, type Ends, untilWhen } from './ban-end.js';
import { good, print } from './output.js';

export interface BanOptions {
  appId: string;
  clientId: string;
  /** How long it lasts, in seconds, by PostgreSQL's clock. */
  for?: number;
  until?: Date;
  reason?: string;
}

/** The ban that was there is locked, so that what is said of it is what was replaced. */
const BEFORE = `
  SELECT ${ENDS}, reason FROM client_bans WHERE app_id = $1 AND client_id = $2 FOR UPDATE`;

const ADD = `
  INSERT INTO client_bans (app_id, client_id, banned_until, reason)
  VALUES ($1, $2, coalesce($3::timestamptz, now() + $4::float8 * interval '1 second'), $5)
  ON CONFLICT (app_id, client_id) DO UPDATE SET banned_until = EXCLUDED.banned_until, reason = EXCLUDED.reason
  RETURNING ${ENDS}`;

export async function add({ appId, clientId, reason, ...options }: BanOptions): Promise<void> {
  await withAdmin(async (admin) => {
    await requireApp(admin, appId);
    const { before, after } = await admin.dataSource.transaction(async (transaction) => {
      const [before] = await transaction.query<(Ends & { reason: string | null })[]>(BEFORE, [
        appId,
        clientId,
      ]);
      const until = options.until?.toISOString() ?? null;
      const [after] = await transaction.query<Ends[]>(ADD, [
        appId,
        clientId,
        until,
        options.for ?? null,
        reason ?? null,
      ]);
      return { before, after };
    });
    good(`"${clientId}" is banned from the app "${appId}" ${untilWhen(endOf(after ?? { ends: null }))}`);
    if (before !== undefined) {
      const why =
        before.reason === null ? 'without a reason' : `for the reason ${JSON.stringify(before.reason)}`;
      print(`this replaces the ban that was there, ${untilWhen(endOf(before))}, ${why}`);
    }
  });
}

export async function remove({ appId, clientId }: BanOptions): Promise<void> {
  await withAdmin(async (admin) => {
    await requireApp(admin, appId);
    // TypeORM answers a DELETE with the rows and their number.
    const [, removed] = await admin.dataSource.query<[unknown[], number]>(
      'DELETE FROM client_bans WHERE app_id = $1 AND client_id = $2',
      [appId, clientId],
    );
    if (removed === 0) throw new Error(`"${clientId}" is not banned from the app "${appId}"`);
    good(`"${clientId}" is not banned from the app "${appId}" any more`);
  });
}

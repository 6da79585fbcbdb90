import type { DataSource } from 'typeorm';

/** Until when a ban lasts, and why. */
export interface BanTerms {
  /** ISO 8601; null: permanent, or later than a `Date` can hold. */
  readonly banned_until: string | null;
  readonly reason: string | null;
}

export interface Ban extends BanTerms {
  readonly client_id: string;
  /** When it was written, and by which role; null: before this was recorded. */
  readonly created_at: Date | null;
  readonly created_by: string | null;
  readonly in_force: boolean;
  /** Until the end; negative: since the end; null: permanent. */
  readonly seconds_left: number | null;
}

/** Without `until`, its end, and `seconds`, its duration, it is permanent. */
export type NewBan = Readonly<
  Record<'appId' | 'clientId', string> & {
    until?: Date | undefined;
    seconds?: number | undefined;
    reason?: string | undefined;
  }
>;

/** SQL: whether a row of `client_bans` is in force, by PostgreSQL's clock. */
export const IN_FORCE = '(banned_until IS NULL OR banned_until > now())';
/** SQL: when a ban ends, in milliseconds since 1970; null: permanent, or later than a `Date` can hold. */
const END = `CASE WHEN banned_until < '275760-09-13Z' THEN (EXTRACT(epoch FROM banned_until) * 1000)::float8 END`;

type Row<Terms extends BanTerms> = Omit<Terms, 'banned_until'> & { readonly end: number | null };

const LIST = `
  SELECT client_id, ${IN_FORCE} AS in_force, ceil(${END} / 1000 - EXTRACT(epoch FROM now())::float8) AS seconds_left,
    ${END} AS end, created_at, created_by, reason
  FROM client_bans WHERE app_id = $1 ORDER BY client_id`;

/** Locked, so that the ban reported is the one replaced. */
const REPLACED = `SELECT ${END} AS end, reason FROM client_bans WHERE app_id = $1 AND client_id = $2 FOR UPDATE`;

const ADD = `
  INSERT INTO client_bans (app_id, client_id, banned_until, reason)
  VALUES ($1, $2, coalesce($3::timestamptz, now() + $4::float8 * interval '1 second'), $5)
  ON CONFLICT (app_id, client_id) DO UPDATE SET banned_until = EXCLUDED.banned_until, reason = EXCLUDED.reason,
    created_at = now(), created_by = current_user
  RETURNING ${END} AS end, reason`;

/** Bans a client, in a transaction of its own or within the one given. @returns the new ban, and the one it replaces, if any. */
export async function addBan(
  database: Pick<DataSource, 'transaction'>,
  { appId, clientId, until, seconds, reason }: NewBan,
): Promise<{ ban: BanTerms; replaced: BanTerms | undefined }> {
  return database.transaction(async (transaction) => {
    const [replaced] = await transaction.query<Row<BanTerms>[]>(REPLACED, [appId, clientId]);
    const values = [appId, clientId, until?.toISOString() ?? null, seconds ?? null, reason ?? null];
    const [added] = await transaction.query<Row<BanTerms>[]>(ADD, values);
    if (added === undefined) throw new Error('PostgreSQL returned no row for the ban');
    return { ban: termsOf(added), replaced: replaced && termsOf(replaced) };
  });
}

/** Lifts a ban. @returns false when there is none. */
export async function removeBan(dataSource: DataSource, appId: string, clientId: string): Promise<boolean> {
  const sql = 'DELETE FROM client_bans WHERE app_id = $1 AND client_id = $2';
  const [, removed] = await dataSource.query<[rows: unknown[], removed: number]>(sql, [appId, clientId]);
  return removed > 0;
}

/** All bans of an app, by client id, also those that have ended. */
export async function listBans(dataSource: DataSource, appId: string): Promise<Ban[]> {
  const rows = await dataSource.query<Row<Ban>[]>(LIST, [appId]);
  return rows.map(({ end, reason, ...ban }) => ({ ...ban, ...termsOf({ end, reason }) }));
}

function termsOf({ end, reason }: Row<BanTerms>): BanTerms {
  // -infinity, which old tables may hold, is shown as 1970.
  return { banned_until: end === null ? null : new Date(Math.max(end, 0)).toISOString(), reason };
}

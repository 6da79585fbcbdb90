import type { DataSource } from 'typeorm';

/** Until when a ban lasts, and why. */
export interface BanTerms {
  /** ISO 8601; null: permanent, or later than a `Date` can hold. */
  readonly banned_until: string | null;
  readonly reason: string | null;
}

export interface Ban extends BanTerms {
  readonly client_id: string;
  readonly in_force: boolean;
  /** Until the end; negative: since the end; null: permanent. */
  readonly seconds_left: number | null;
}

export interface NewBan {
  readonly appId: string;
  readonly clientId: string;
  /** When it ends; without this and `seconds` it is permanent. */
  readonly until?: Date | undefined;
  /** How long it lasts. */
  readonly seconds?: number | undefined;
  readonly reason?: string | undefined;
}

/** SQL: whether a row of `client_bans` is in force, by PostgreSQL's clock. */
export const IN_FORCE = '(banned_until IS NULL OR banned_until > now())';

/** In milliseconds since 1970: PostgreSQL's years exceed those of a `Date`. */
const ENDS = 'EXTRACT(epoch FROM banned_until)::float8 * 1000 AS ends';

type Row<Terms extends BanTerms> = Omit<Terms, 'banned_until'> & { readonly ends: number | null };

const LIST = `
  SELECT client_id, ${ENDS}, ${IN_FORCE} AS in_force,
    ceil(EXTRACT(epoch FROM banned_until) - EXTRACT(epoch FROM now()))::float8 AS seconds_left, reason
  FROM client_bans WHERE app_id = $1 ORDER BY client_id`;

/** Locked, so that the ban reported is the one replaced. */
const REPLACED = `SELECT ${ENDS}, reason FROM client_bans WHERE app_id = $1 AND client_id = $2 FOR UPDATE`;

const ADD = `
  INSERT INTO client_bans (app_id, client_id, banned_until, reason)
  VALUES ($1, $2, coalesce($3::timestamptz, now() + $4::float8 * interval '1 second'), $5)
  ON CONFLICT (app_id, client_id) DO UPDATE SET banned_until = EXCLUDED.banned_until, reason = EXCLUDED.reason
  RETURNING ${ENDS}, reason`;

/** Bans a client. @returns the new ban, and the one it replaces, if any. */
export async function addBan(
  dataSource: DataSource,
  { appId, clientId, until, seconds, reason }: NewBan,
): Promise<{ ban: BanTerms; replaced: BanTerms | undefined }> {
  return dataSource.transaction(async (transaction) => {
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
  return rows.map(({ client_id, in_force, seconds_left, ...row }) => {
    const terms = termsOf(row);
    return { client_id, in_force, seconds_left: terms.banned_until === null ? null : seconds_left, ...terms };
  });
}

function termsOf({ ends, reason }: Row<BanTerms>): BanTerms {
  // An invalid Date: without end, or beyond the year 275760. Ends before 1970 are all equally past.
  const end = new Date(Math.max(ends ?? NaN, 0));
  return { banned_until: Number.isNaN(end.getTime()) ? null : end.toISOString(), reason };
}

import type { DataSource } from 'typeorm';

export interface Ban {
  readonly client_id: string;
  /** ISO 8601; null: permanent, as is what ends after the last moment that a Date can hold. */
  readonly banned_until: string | null;
  readonly in_force: boolean;
  /** How long it still lasts; negative: since when it is over; null: permanent. */
  readonly seconds_left: number | null;
  readonly reason: string | null;
}

/** A ban's end in milliseconds since 1970, as a part of SELECT: PostgreSQL's years go on after those of a Date. */
const ENDS = 'EXTRACT(epoch FROM banned_until)::float8 * 1000 AS ends';

/** The last moment that a Date can hold, in the year 275760. */
const LAST_DATE = 8.64e15;

type Row = Omit<Ban, 'banned_until'> & { readonly ends: number | null };

/** Whether a ban is in force is judged as for signatures: by PostgreSQL's clock. */
const LIST = `
  SELECT client_id, ${ENDS}, banned_until IS NULL OR banned_until > now() AS in_force,
    ceil(EXTRACT(epoch FROM banned_until) - EXTRACT(epoch FROM now()))::float8 AS seconds_left, reason
  FROM client_bans WHERE app_id = $1 ORDER BY client_id`;

/** The ban is locked, so that what is said of it is what is replaced. */
const REPLACED = `SELECT ${ENDS}, reason FROM client_bans WHERE app_id = $1 AND client_id = $2 FOR UPDATE`;

const ADD = `
  INSERT INTO client_bans (app_id, client_id, banned_until, reason)
  VALUES ($1, $2, coalesce($3::timestamptz, now() + $4::float8 * interval '1 second'), $5)
  ON CONFLICT (app_id, client_id) DO UPDATE SET banned_until = EXCLUDED.banned_until, reason = EXCLUDED.reason
  RETURNING ${ENDS}, reason`;

export interface NewBan {
  readonly appId: string;
  readonly clientId: string;
  /** When it ends; without this and `seconds` it is permanent. */
  readonly until?: Date | undefined;
  /** How long it lasts. */
  readonly seconds?: number | undefined;
  readonly reason?: string | undefined;
}

type BanEnd = Pick<Ban, 'banned_until' | 'reason'>;

/** Bans a client. @returns the ban, and the one that it replaces, if there was one. */
export async function addBan(
  dataSource: DataSource,
  { appId, clientId, until, seconds, reason }: NewBan,
): Promise<{ ban: BanEnd; replaced: BanEnd | undefined }> {
  return dataSource.transaction(async (transaction) => {
    const [replaced] = await transaction.query<Row[]>(REPLACED, [appId, clientId]);
    const values = [appId, clientId, until?.toISOString() ?? null, seconds ?? null, reason ?? null];
    const [added] = await transaction.query<Row[]>(ADD, values);
    if (added === undefined) throw new Error('PostgreSQL did not say what it wrote');
    return { ban: endOf(added), replaced: replaced && endOf(replaced) };
  });
}

/** Lifts a ban. @returns false when there is none. */
export async function removeBan(dataSource: DataSource, appId: string, clientId: string): Promise<boolean> {
  // TypeORM answers a DELETE with the rows and their number.
  const [, removed] = await dataSource.query<[unknown[], number]>(
    'DELETE FROM client_bans WHERE app_id = $1 AND client_id = $2',
    [appId, clientId],
  );
  return removed > 0;
}

/** All bans of an app, also those that are over. */
export async function listBans(dataSource: DataSource, appId: string): Promise<Ban[]> {
  const rows = await dataSource.query<Row[]>(LIST, [appId]);
  return rows.map(({ client_id, in_force, seconds_left, ...row }) => {
    const { banned_until, reason } = endOf(row);
    return {
      client_id,
      banned_until,
      in_force,
      seconds_left: banned_until === null ? null : seconds_left,
      reason,
    };
  });
}

function endOf({ ends, reason }: Pick<Row, 'ends' | 'reason'>): BanEnd {
  if (ends === null || ends > LAST_DATE) return { banned_until: null, reason };
  // Before a Date's first moment, any is as long past.
  return { banned_until: new Date(Math.max(ends, -LAST_DATE)).toISOString(), reason };
}

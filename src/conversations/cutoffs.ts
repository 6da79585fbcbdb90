import type { DataSource } from 'typeorm';

/** Where a cut-off counts: for a client, or without one for all clients of an app. */
export type CutoffScope = Readonly<{ appId: string; clientId?: string | undefined }>;

/** A cut-off that is there stays where it is later. */
const SET = {
  client: `
    INSERT INTO client_cutoffs AS old (app_id, client_id) VALUES ($1, $2)
    ON CONFLICT (app_id, client_id) DO UPDATE SET
      tokens_before = greatest(old.tokens_before, now()), created_at = now(), created_by = current_user
    RETURNING tokens_before`,
  app: `
    INSERT INTO app_cutoffs AS old (app_id) VALUES ($1)
    ON CONFLICT (app_id) DO UPDATE SET
      tokens_before = greatest(old.tokens_before, now()), created_at = now(), created_by = current_user
    RETURNING tokens_before`,
};

/** Ends the tokens that were issued until now. @returns the cut-off, which is later than now where a later one was set before. */
export async function endTokens(database: Pick<DataSource, 'query'>, { appId, clientId }: CutoffScope): Promise<Date> {
  const [row] = await database.query<{ tokens_before: Date }[]>(
    clientId === undefined ? SET.app : SET.client,
    clientId === undefined ? [appId] : [appId, clientId],
  );
  if (row === undefined) throw new Error('PostgreSQL returned no row for the cut-off');
  return row.tokens_before;
}

/** SQL: the later cut-off of a client and its app, in seconds since 1970; null: there is none. @param app an SQL expression, as `client`. */
export const tokensBefore = (app: string, client: string): string => `extract(epoch FROM greatest(
  (SELECT a.tokens_before FROM app_cutoffs a WHERE a.app_id = ${app}),
  (SELECT c.tokens_before FROM client_cutoffs c WHERE c.app_id = ${app} AND c.client_id = ${client})
))::float8`;

/** @returns the later cut-off of a client and its app, in seconds since 1970; null: there is none. */
export async function cutoffOf(database: Pick<DataSource, 'query'>, appId: string, clientId: string) {
  const [row] = await database.query<{ cutoff: number | null }[]>(`SELECT ${tokensBefore('$1', '$2')} AS cutoff`, [
    appId,
    clientId,
  ]);
  return row?.cutoff ?? null;
}

import type { DataSource } from 'typeorm';

/** TypeORM's table of applied migrations; named so that another service may share the schema. */
export const MIGRATIONS_TABLE = 'im_signature_migrations';
/** The tables that the service reads. */
export const READ_TABLES =
  'apps app_master_keys app_identity app_cutoffs client_cutoffs client_bans conversations conversation_members'.split(
    ' ',
  );

/**
 * Checks the table of applied migrations, which TypeORM takes for missing where the role may not read it.
 *
 * @param toMake whether it is made where it is missing.
 * @throws {Error} when the role may not read or make it, when it is in another schema than the first, or when tables or
 *   types of another application have the names of ours.
 */
export async function requireAccess(dataSource: DataSource, toMake = false): Promise<void> {
  const [row] = await dataSource.query<
    {
      role: string;
      schema: string | null;
      other: string | null;
      readable: boolean | null;
      makes: boolean;
      foreign: string | null;
    }[]
  >(`
    SELECT current_user AS role, current_schema() AS schema,
      (SELECT min(relnamespace::regnamespace::text) FROM pg_class
        WHERE relname = '${MIGRATIONS_TABLE}' AND has_schema_privilege(relnamespace, 'USAGE')
        HAVING NOT coalesce(bool_or(relnamespace::regnamespace::text = quote_ident(current_schema())), false)) AS other,
      has_table_privilege(to_regclass('${MIGRATIONS_TABLE}'), 'SELECT') AS readable,
      has_schema_privilege(current_schema(), 'CREATE') AS makes,
      (SELECT string_agg(DISTINCT name, ', ') FROM (
          SELECT relname AS name, relnamespace AS namespace FROM pg_class UNION ALL SELECT typname, typnamespace FROM pg_type
        ) AS named
        WHERE namespace = to_regnamespace(quote_ident(current_schema())) AND name IN ('${READ_TABLES.join("', '")}')
          AND to_regclass('${MIGRATIONS_TABLE}') IS NULL) AS foreign`);
  const { role = '', schema = null, other = null, readable = null, makes = false, foreign = null } = row ?? {};
  // Migrations work in the first schema of the search_path: there they would make a second, empty set of tables.
  if (other !== null) {
    throw new Error(
      `the tables are in the schema ${other}, which is not the first that the role "${role}" finds: ` +
        `ALTER ROLE "${role}" SET search_path = ${other}`,
    );
  }
  if (readable === false) {
    throw new Error(`the role "${role}" needs SELECT on ${MIGRATIONS_TABLE}; commands run as the owner of the tables`);
  }
  // Half of the migrations would be applied before one meets it.
  if (foreign !== null && toMake) {
    throw new Error(`the schema "${schema ?? ''}" has ${foreign}, not of this service; use another database or schema`);
  }
  if (readable || makes || !toMake) return;
  const remedy = `make it the owner of the database, or GRANT CREATE ON SCHEMA "${schema ?? ''}" TO "${role}"`;
  throw new Error(
    schema === null
      ? `the role "${role}" may use no schema of its search_path; make one, GRANT USAGE on it, or name another`
      : `the role "${role}" may not make tables in the schema "${schema}"; ${remedy}`,
  );
}

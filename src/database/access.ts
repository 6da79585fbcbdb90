import type { DataSource } from 'typeorm';

/** TypeORM's table of applied migrations; named so that another service may share the schema. */
export const MIGRATIONS_TABLE = 'im_signature_migrations';
/** The tables that the service reads. */
export const READ_TABLES =
  'apps app_master_keys app_identity app_cutoffs client_cutoffs client_bans conversations conversation_members'.split(
    ' ',
  );

interface Access {
  readonly role: string;
  /** The first of the search_path, where migrations work; null: the role may use none of it. */
  readonly schema: string | null;
  /** One that has the table of applied migrations where the first has none; and whether the role may use it. */
  readonly other: string | null;
  readonly usable: boolean;
  /** Whether a search_path is set, other than the default one, that does not name it: tables of its own are meant. */
  readonly apart: boolean;
  readonly readable: boolean | null;
  readonly makes: boolean;
  /** Names of ours that another application has taken. */
  readonly foreign: string | null;
}

const ACCESS = `
  WITH found AS (
    SELECT nspname AS name, has_schema_privilege(pg_namespace.oid, 'USAGE') AS usable
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = '${MIGRATIONS_TABLE}'
  ), other AS (
    SELECT found.name, usable, source NOT IN ('default', 'configuration file')
        AND NOT string_to_array(translate(setting, ' "', ''), ',') && ARRAY[found.name::text, '$user'] AS apart
    FROM found, pg_settings AS path
    WHERE path.name = 'search_path' AND NOT EXISTS (SELECT FROM found WHERE found.name = current_schema())
    ORDER BY apart, usable DESC, found.name LIMIT 1
  )
  SELECT current_user AS role, current_schema() AS schema, quote_ident(other.name) AS other,
    coalesce(usable, true) AS usable, coalesce(apart, false) AS apart,
    has_table_privilege(to_regclass('${MIGRATIONS_TABLE}'), 'SELECT') AS readable,
    has_schema_privilege(current_schema(), 'CREATE') AS makes,
    (SELECT string_agg(DISTINCT taken.name, ', ') FROM (
        SELECT relname AS name, relnamespace AS namespace FROM pg_class UNION ALL SELECT typname, typnamespace FROM pg_type
      ) AS taken
      WHERE namespace = to_regnamespace(quote_ident(current_schema())) AND taken.name IN ('${READ_TABLES.join("', '")}')
        AND to_regclass('${MIGRATIONS_TABLE}') IS NULL) AS foreign
  FROM (VALUES (0)) AS one LEFT JOIN other ON true`;

/**
 * Checks the table of applied migrations, which TypeORM takes for missing where the role may not read it.
 *
 * @param toMake whether it is made where it is missing.
 * @throws {Error} when the role may not read or make it, when it is in another schema than the first, or when tables or
 *   types of another application have the names of ours.
 */
export async function requireAccess(dataSource: DataSource, toMake = false): Promise<void> {
  const [access] = await dataSource.query<Access[]>(ACCESS);
  if (access === undefined) throw new Error('PostgreSQL does not say what its role may do');
  const { role, schema, other, usable, apart, readable, makes, foreign } = access;
  // In the first schema, migrations would make a second, empty set of tables, in which no ban counts.
  if (other !== null && !(apart && toMake)) {
    const fault = usable
      ? `the tables are in the schema ${other}, which is not the first that the role "${role}" finds: ` +
        `ALTER ROLE "${role}" SET search_path = ${other}`
      : `the role "${role}" needs USAGE on the schema ${other}`;
    const own = apart && schema !== null ? `; or run "im-signature migrate" for tables of its own in "${schema}"` : '';
    throw new Error(fault + own);
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

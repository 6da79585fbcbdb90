import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The tables whose rows the service remembers, and the columns by which it does. */
const TABLES = {
  apps: ['app_id'],
  app_master_keys: ['app_id'],
  app_identity: ['app_id'],
  client_bans: ['app_id', 'client_id'],
  conversations: ['app_id', 'conversation_id'],
  conversation_members: ['app_id', 'conversation_id', 'client_id'],
};

const EVENTS = {
  INSERT: 'REFERENCING NEW TABLE AS rows_after',
  UPDATE: 'REFERENCING OLD TABLE AS rows_before NEW TABLE AS rows_after',
  DELETE: 'REFERENCING OLD TABLE AS rows_before',
  TRUNCATE: '',
};

/** Tells every process of the service which rows it must not remember any more; src/database/change-feed.ts listens. */
export class AnnounceChanges1795392000003 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // No more than 1000 rows are looked at, so that a statement of 100,000 pays no more for it than one of 1000.
    await queryRunner.query(`
      CREATE FUNCTION announce_change() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        before constant text := format('SELECT %s FROM rows_before', array_to_string(TG_ARGV, ', '));
        after constant text := format('SELECT %s FROM rows_after', array_to_string(TG_ARGV, ', '));
        changed constant text := CASE TG_OP
          WHEN 'INSERT' THEN after
          WHEN 'UPDATE' THEN before || ' UNION ALL ' || after
          WHEN 'DELETE' THEN before
        END;
        row_count integer;
        keys jsonb;
        notice text;
      BEGIN
        IF TG_OP <> 'TRUNCATE' THEN
          EXECUTE format('SELECT count(*) FROM (%s LIMIT 1001) AS changed', changed) INTO row_count;
          IF row_count = 0 THEN
            RETURN NULL;
          END IF;
          IF row_count <= 1000 THEN
            EXECUTE format(
              'SELECT jsonb_agg(DISTINCT jsonb_build_array(%s)) FROM (%s) AS changed',
              array_to_string(TG_ARGV, ', '), changed
            ) INTO keys;
          END IF;
        END IF;
        notice := jsonb_build_object('table', TG_TABLE_NAME, 'keys', keys)::text;
        IF octet_length(notice) >= 8000 THEN
          notice := jsonb_build_object('table', TG_TABLE_NAME, 'keys', NULL)::text;
        END IF;
        PERFORM pg_notify('im_signature_changes', notice);
        RETURN NULL;
      END
      $$`);
    await queryRunner.query(`
      COMMENT ON FUNCTION announce_change() IS
        'NOTIFYs the channel im_signature_changes once a statement: {"table": ..., "keys": [[...], ...]}, the distinct keys of the rows it changed, as they were and as they are; null: any row. Its arguments are the columns of a key.'`);
    for (const [table, columns] of Object.entries(TABLES)) {
      for (const [event, rows] of Object.entries(EVENTS)) {
        await queryRunner.query(`
          CREATE TRIGGER announce_${event.toLowerCase()} AFTER ${event} ON ${table} ${rows}
          FOR EACH STATEMENT EXECUTE FUNCTION announce_change(${columns.map((column) => `'${column}'`).join(', ')})`);
        // Also for a session that switches triggers off by session_replication_role.
        await queryRunner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER announce_${event.toLowerCase()}`);
      }
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of Object.keys(TABLES)) {
      for (const event of Object.keys(EVENTS)) {
        await queryRunner.query(`DROP TRIGGER announce_${event.toLowerCase()} ON ${table}`);
      }
    }
    await queryRunner.query('DROP FUNCTION announce_change');
  }
}

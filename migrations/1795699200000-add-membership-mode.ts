import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Shadow mode: the rules of an app's conversations are judged, and not enforced yet. */
export class AddMembershipMode1795699200000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE apps
        ADD membership_mode text NOT NULL DEFAULT 'enforce' CHECK (membership_mode IN ('shadow', 'enforce')),
        ADD membership_mode_since timestamptz NOT NULL DEFAULT now()`);
    await queryRunner.query(`
      CREATE OR REPLACE FUNCTION apps_set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.updated_at := now();
        IF NEW.membership_mode <> OLD.membership_mode THEN
          NEW.membership_mode_since := now();
        END IF;
        RETURN NEW;
      END
      $$`);
    const comments = {
      membership_mode:
        'enforce: what the rules of conversations refuse is refused; shadow: it is signed and counted. Bans are always enforced.',
      membership_mode_since: 'When membership_mode last changed; kept by a trigger.',
    };
    for (const [column, text] of Object.entries(comments)) {
      await queryRunner.query(`COMMENT ON COLUMN apps.${column} IS '${text}'`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE OR REPLACE FUNCTION apps_set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.updated_at := now();
        RETURN NEW;
      END
      $$`);
    await queryRunner.query('ALTER TABLE apps DROP membership_mode, DROP membership_mode_since');
  }
}

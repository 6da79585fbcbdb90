import type { MigrationInterface, QueryRunner } from 'typeorm';

const COMMENT = `COMMENT ON COLUMN app_master_keys.sealed_key IS
  'AES-256-GCM under SECRETS_KEY, bound to app and version: v1.<sealing key id>.<base64url>. Never a plain key.`;

/** A master key that signs no more can be erased; its row says that there was one. */
export class AllowErasedKeys1795699200002 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE app_master_keys ALTER sealed_key DROP NOT NULL');
    await queryRunner.query(`${COMMENT} Null: erased.'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE app_master_keys ALTER sealed_key SET NOT NULL');
    await queryRunner.query(`${COMMENT}'`);
  }
}

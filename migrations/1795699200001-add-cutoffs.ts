import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The rule of src/problems/ids.ts, as in create-apps. */
const ID = String.raw`'^[^:\u0001-\u001f\u007f-\u009f]{1,64}$'`;

/** Who wrote a row, and when. */
const WRITTEN = `
  created_at timestamptz DEFAULT now(),
  created_by text DEFAULT current_user`;

/** Cut-offs, which end the tokens that were issued before; and who wrote them, bans and conversations. */
export class AddCutoffs1795699200001 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE client_cutoffs (
        app_id text NOT NULL REFERENCES apps ON DELETE RESTRICT,
        client_id text NOT NULL CHECK (client_id ~ ${ID}),
        tokens_before timestamptz NOT NULL DEFAULT now() CHECK (isfinite(tokens_before)),
        ${WRITTEN},
        PRIMARY KEY (app_id, client_id)
      )`);
    await queryRunner.query(`
      CREATE TABLE app_cutoffs (
        app_id text PRIMARY KEY REFERENCES apps ON DELETE RESTRICT,
        tokens_before timestamptz NOT NULL DEFAULT now() CHECK (isfinite(tokens_before)),
        ${WRITTEN}
      )`);
    for (const table of ['client_bans', 'conversations']) {
      // A default that came with the column would give the rows of before this time and this role.
      await queryRunner.query(`ALTER TABLE ${table} ADD created_at timestamptz, ADD created_by text`);
      await queryRunner.query(
        `ALTER TABLE ${table} ALTER created_at SET DEFAULT now(), ALTER created_by SET DEFAULT current_user`,
      );
    }

    const comments: Record<string, string> = {
      'TABLE client_cutoffs':
        'Ends the tokens of a client that were issued before a time: they get 401 identity_revoked. Written by the backend of the platform.',
      'COLUMN client_cutoffs.app_id': 'The app of the tokens.',
      'COLUMN client_cutoffs.client_id':
        'The client, exactly as it stands in signed messages: 1 to 64 characters, no colon, no control character.',
      'COLUMN client_cutoffs.tokens_before':
        'Tokens whose claim iat is a second before that of this time, or that have none, are refused.',
      'TABLE app_cutoffs':
        'Ends the tokens of all clients of an app that were issued before a time. Written by the backend of the platform.',
      'COLUMN app_cutoffs.app_id': 'The app of the tokens.',
      'COLUMN app_cutoffs.tokens_before': 'As in client_cutoffs; of the two the later one counts.',
    };
    for (const table of ['client_cutoffs', 'app_cutoffs', 'client_bans', 'conversations']) {
      comments[`COLUMN ${table}.created_at`] = 'When the row was written; null: before there was this column.';
      comments[`COLUMN ${table}.created_by`] = 'The role that wrote it; null: before there was this column.';
    }
    for (const [subject, text] of Object.entries(comments)) {
      await queryRunner.query(`COMMENT ON ${subject} IS '${text}'`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['client_bans', 'conversations']) {
      await queryRunner.query(`ALTER TABLE ${table} DROP created_at, DROP created_by`);
    }
    await queryRunner.query('DROP TABLE app_cutoffs, client_cutoffs');
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The rule of src/problems/ids.ts, as in create-apps. */
const ID = String.raw`'^[^:\u0001-\u001f\u007f-\u009f]{1,64}$'`;

/**
 * Bans and the rules of conversations, written by the platform's backend. An app that still has any cannot be deleted.
 * Look-ups name a primary key or its beginning, so there is no index beside them.
 */
export class CreateConversationRules1795392000001 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE client_bans (
        app_id text NOT NULL REFERENCES apps ON DELETE RESTRICT,
        client_id text NOT NULL CHECK (client_id ~ ${ID}),
        banned_until timestamptz CHECK (isfinite(banned_until)),
        reason text,
        PRIMARY KEY (app_id, client_id)
      )`);
    await queryRunner.query(`
      CREATE TABLE conversations (
        app_id text NOT NULL REFERENCES apps ON DELETE RESTRICT,
        conversation_id text NOT NULL CHECK (conversation_id ~ ${ID}),
        join_rule text NOT NULL DEFAULT 'invited' CHECK (join_rule IN ('anyone', 'invited')),
        invite_rule text NOT NULL DEFAULT 'member' CHECK (invite_rule IN ('anyone', 'member', 'manager', 'owner')),
        kick_rule text NOT NULL DEFAULT 'manager' CHECK (kick_rule IN ('anyone', 'member', 'manager', 'owner')),
        member_limit integer CHECK (member_limit >= 1),
        PRIMARY KEY (app_id, conversation_id)
      )`);
    await queryRunner.query(`
      CREATE TABLE conversation_members (
        app_id text NOT NULL,
        conversation_id text NOT NULL,
        client_id text NOT NULL CHECK (client_id ~ ${ID}),
        role text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'manager', 'member')),
        PRIMARY KEY (app_id, conversation_id, client_id),
        FOREIGN KEY (app_id, conversation_id) REFERENCES conversations ON DELETE CASCADE
      )`);

    const comments: Record<string, string> = {
      'TABLE client_bans':
        'Clients that get no signature at all, and that nobody may open a conversation with or invite. Written by the backend of the platform.',
      'COLUMN client_bans.app_id': 'The app the ban is for.',
      'COLUMN client_bans.client_id':
        'The client, exactly as it stands in signed messages: 1 to 64 characters, no colon, no control character.',
      'COLUMN client_bans.banned_until': 'When the ban ends, by the clock of PostgreSQL; null: permanent.',
      'COLUMN client_bans.reason': 'For people; no client is told.',
      'TABLE conversations':
        'The rules of each registered conversation; they count where apps.membership is not off. Written by the backend of the platform.',
      'COLUMN conversations.app_id': 'The app the conversation is in.',
      'COLUMN conversations.conversation_id':
        'The id of the conversation, exactly as it stands in signed messages: 1 to 64 characters, no colon, no control character.',
      'COLUMN conversations.join_rule': 'Who may join without being invited: anyone; invited: members only.',
      'COLUMN conversations.invite_rule':
        'The least role that may invite others: anyone (no member either), member, manager or owner.',
      'COLUMN conversations.kick_rule':
        'The least role that may remove others, all of whom must rank below it: anyone, member, manager or owner.',
      'COLUMN conversations.member_limit':
        'The most members a join or an invite may lead to; null: no limit. Rows written here are not held to it.',
      'TABLE conversation_members':
        'The members of registered conversations and their roles. Written by the backend of the platform.',
      'COLUMN conversation_members.app_id': 'The app the conversation is in.',
      'COLUMN conversation_members.conversation_id': 'The conversation.',
      'COLUMN conversation_members.client_id':
        'The member, exactly as it stands in signed messages: 1 to 64 characters, no colon, no control character.',
      'COLUMN conversation_members.role':
        'The rank of the member: owner above manager above member; a client without a row has none.',
    };
    for (const [subject, text] of Object.entries(comments)) {
      await queryRunner.query(`COMMENT ON ${subject} IS '${text}'`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE conversation_members, conversations, client_bans');
  }
}

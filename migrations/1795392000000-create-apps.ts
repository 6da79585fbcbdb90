import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The registered apps. Admins write their rows by further migrations. */
export class CreateApps1795392000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // An id is joined with ":" into the signed message, unescaped; src/problems/ids.ts has the same rule.
    await queryRunner.query(`
      CREATE TABLE apps (
        app_id text PRIMARY KEY CHECK (app_id ~ '^[^:\\u0001-\\u001f\\u007f-\\u009f]{1,64}$'),
        name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
        disabled boolean NOT NULL DEFAULT false,
        identity text NOT NULL CHECK (identity IN ('none', 'jwt')),
        timestamp_format text NOT NULL DEFAULT 'seconds.micros'
          CHECK (timestamp_format IN ('seconds.micros', 'seconds', 'milliseconds')),
        membership text NOT NULL DEFAULT 'off' CHECK (membership IN ('off', 'where-registered', 'required')),
        max_members integer NOT NULL DEFAULT 500 CHECK (max_members >= 1),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      )`);
    await queryRunner.query(`
      CREATE TABLE app_master_keys (
        app_id text NOT NULL REFERENCES apps ON DELETE CASCADE,
        version integer NOT NULL CHECK (version >= 1),
        sealed_key text NOT NULL CHECK (sealed_key ~ '^v1\\.[A-Za-z0-9_-]{1,32}\\.[A-Za-z0-9_-]+$'),
        active_from timestamptz NOT NULL DEFAULT now() CHECK (isfinite(active_from)),
        PRIMARY KEY (app_id, version)
      )`);
    // An HMAC algorithm with a public key would let anyone with that key make tokens: the two kinds never mix.
    await queryRunner.query(`
      CREATE TABLE app_identity (
        app_id text PRIMARY KEY REFERENCES apps ON DELETE CASCADE,
        issuer text CHECK (issuer <> ''),
        audience text CHECK (audience <> ''),
        client_id_claim text NOT NULL DEFAULT 'sub' CHECK (client_id_claim <> ''),
        algorithms text[] NOT NULL CHECK (cardinality(algorithms) > 0 AND array_position(algorithms, NULL) IS NULL),
        jwks_uri text CHECK (jwks_uri ~ '^https://[^/?#@]+([/?#]|$)' OR jwks_uri ~ '^http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]+)?/'),
        jwks jsonb CHECK (
          jwks IS NULL
          OR coalesce(jsonb_typeof(jwks -> 'keys') = 'array', false)
          AND NOT jsonb_path_exists(jwks, '$.keys[*] ? (@.kty == "oct" || exists(@.d))')
        ),
        sealed_hmac_secret text CHECK (sealed_hmac_secret ~ '^v1\\.[A-Za-z0-9_-]{1,32}\\.[A-Za-z0-9_-]+$'),
        CONSTRAINT app_identity_one_kind_of_key CHECK (num_nonnulls(jwks_uri, jwks, sealed_hmac_secret) = 1),
        CONSTRAINT app_identity_algorithms_fit_key CHECK (
          CASE
            WHEN sealed_hmac_secret IS NOT NULL THEN algorithms <@ ARRAY['HS256', 'HS384', 'HS512']
            ELSE algorithms <@ ARRAY[
              'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'
            ]
          END
        )
      )`);
    await queryRunner.query(`
      CREATE FUNCTION apps_set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.updated_at := now();
        RETURN NEW;
      END
      $$`);
    await queryRunner.query(`
      CREATE TRIGGER apps_set_updated_at BEFORE UPDATE ON apps
      FOR EACH ROW EXECUTE FUNCTION apps_set_updated_at()`);

    const comments: Record<string, string> = {
      'TABLE apps': 'The apps this service signs for. Written by migrations.',
      'COLUMN apps.app_id':
        'The app id of the IM platform, as it stands in signed messages: 1 to 64 characters, no colon, no control character.',
      'COLUMN apps.name': 'For people.',
      'COLUMN apps.disabled': 'True: nothing is signed for the app.',
      'COLUMN apps.identity':
        'How a caller proves to be the client it names. none: not at all, open to everyone; jwt: a bearer token. On purpose without a default.',
      'COLUMN apps.timestamp_format':
        'The timestamp that is signed and answered: seconds.micros (1450166986.392033), seconds or milliseconds.',
      'COLUMN apps.membership':
        'Whether conversation rules decide: off; where-registered: for conversations that are registered; required: unregistered ones are refused.',
      'COLUMN apps.max_members': 'The most member ids one request may name.',
      'COLUMN apps.created_at': 'When the app was registered.',
      'COLUMN apps.updated_at': 'When the row last changed; kept by a trigger.',
      'TABLE app_master_keys':
        'The versions of the master key of each app. In force is the one with the latest active_from not in the future, the higher version where two are equal; the first where all are in the future.',
      'COLUMN app_master_keys.app_id': 'The app the key belongs to.',
      'COLUMN app_master_keys.version': 'Counts up from 1 for each app; the sealed key is bound to it.',
      'COLUMN app_master_keys.sealed_key':
        'AES-256-GCM under SECRETS_KEY, bound to app and version: v1.<sealing key id>.<base64url>. Never a plain key.',
      'COLUMN app_master_keys.active_from': 'When this key begins to sign; in the future for a scheduled rotation.',
      'TABLE app_identity':
        'How the bearer tokens of apps whose identity is jwt are verified. Without a row no token of such an app passes.',
      'COLUMN app_identity.app_id': 'The app.',
      'COLUMN app_identity.issuer': 'The required claim iss; null: not checked.',
      'COLUMN app_identity.audience': 'What the claim aud must equal or contain; null: not checked.',
      'COLUMN app_identity.client_id_claim':
        'The claim that holds the client id; with dots, a path: user.id is the member id of the claim user.',
      'COLUMN app_identity.algorithms':
        'The JWS algorithms a token may be signed with, such as RS256; no others are accepted.',
      'COLUMN app_identity.jwks_uri':
        'Where the issuer publishes its public keys (RFC 7517); https, or http on this machine. One of the three kinds of key is set.',
      'COLUMN app_identity.jwks': 'The public keys themselves, as a JWK Set. No private or symmetric key.',
      'COLUMN app_identity.sealed_hmac_secret':
        'A secret shared with the issuer, AES-256-GCM under SECRETS_KEY, bound to the app: v1.<sealing key id>.<base64url>.',
    };
    for (const [subject, text] of Object.entries(comments)) {
      await queryRunner.query(`COMMENT ON ${subject} IS '${text}'`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE app_identity, app_master_keys, apps');
    await queryRunner.query('DROP FUNCTION apps_set_updated_at');
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateAppIdentity1795392000001 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // An HMAC algorithm with a public key would let anyone who has that key make tokens: the two kinds never mix.
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
              'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'
            ]
          END
        )
      )`);

    const comments: Record<string, string> = {
      'TABLE app_identity':
        'How the bearer tokens of apps whose identity is jwt are verified. Without a row no token of such an app passes.',
      'COLUMN app_identity.app_id': 'The app.',
      'COLUMN app_identity.issuer': 'What the claim iss must be; null: not looked at.',
      'COLUMN app_identity.audience': 'What the claim aud must be or contain; null: not looked at.',
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
    await queryRunner.query('DROP TABLE app_identity');
  }
}

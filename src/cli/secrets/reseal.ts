import { AppIdentity } from '../../apps/app-identity.entity.js';
import { AppMasterKey } from '../../apps/app-master-key.entity.js';
import {
  hmacSecretPurpose,
  masterKeyPurpose,
  open,
  seal,
  sealingKeyId,
  type SealPurpose,
} from '../../apps/sealing.js';
import { appliedMigrations } from '../../database/migrate.js';
import { constant, type MigrationText, slugOf, unapplied } from '../../database/registrations.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';
import { write } from '../app/migration.js';
import { UsageError } from '../usage-error.js';

export async function reseal(io: Io, { from, to }: { from: string; to: string }): Promise<void> {
  if (from === to) throw new UsageError('--from and --to are the same key');
  await withAdmin(io, async (admin) => {
    const { dataSource, settings, sealingKeys } = admin;
    const target = sealingKeys.get(to);
    if (target === undefined || !sealingKeys.has(from)) {
      throw new Error(`SECRETS_KEY must hold both keys; it holds ${[...sealingKeys.keys()].join(', ')}`);
    }
    const resealed = (before: string, purpose: SealPurpose) => ({
      before,
      after: seal(open(before, purpose, sealingKeys), purpose, new Map([[to, target]])),
    });
    await write(io, admin, async () => {
      // What it seals would stay under the key that is to go.
      const [pending] = await unapplied(settings.migrationsDir, await appliedMigrations(dataSource));
      if (pending !== undefined) {
        throw new Error(`${pending} is not applied yet: first run "npm run migrate", or remove it`);
      }
      const keys = await dataSource
        .getRepository(AppMasterKey)
        .find({ order: { appId: 'ASC', version: 'ASC' } });
      const identities = await dataSource.getRepository(AppIdentity).find({ order: { appId: 'ASC' } });
      const rows = {
        KEYS: keys
          .filter(({ sealedKey }) => sealingKeyId(sealedKey) === from)
          .map(({ appId, version, sealedKey }) => ({
            app_id: appId,
            version,
            ...resealed(sealedKey, masterKeyPurpose(appId, version)),
          })),
        SECRETS: identities.flatMap(({ appId, sealedHmacSecret: sealed }) =>
          sealed === null || sealingKeyId(sealed) !== from
            ? []
            : [{ app_id: appId, ...resealed(sealed, hmacSecretPurpose(appId)) }],
        ),
      };
      const all = [...rows.KEYS, ...rows.SECRETS];
      if (all.length === 0) throw new Error(`nothing is sealed with the key "${from}"`);
      return {
        slug: `reseal-${slugOf(from)}-${slugOf(to)}`,
        about: [...new Set(all.map(({ app_id }) => app_id))],
        comment: `Seals with the key "${to}" what is sealed with the key "${from}".`,
        ...textOf(rows),
      };
    });
  });
}

const STATEMENTS = {
  KEYS: {
    columns: 'app_id, version',
    sql: 'UPDATE app_master_keys SET sealed_key = $2 WHERE sealed_key = $1 AND app_id = $3 AND version = $4',
  },
  SECRETS: {
    columns: 'app_id',
    sql: 'UPDATE app_identity SET sealed_hmac_secret = $2 WHERE sealed_hmac_secret = $1 AND app_id = $3',
  },
};

/** Replaces each sealed value, if it is still the one that was there, and puts back that very one. */
function textOf(rows: Record<keyof typeof STATEMENTS, readonly object[]>): MigrationText {
  const names = (['KEYS', 'SECRETS'] as const).filter((name) => rows[name].length > 0);
  const replace = (old: string, fresh: string): string =>
    names
      .map((name) => {
        const { columns, sql } = STATEMENTS[name];
        return `    for (const { ${columns}, before, after } of ${name}) {
      const [, count] = await queryRunner.query('${sql}', [${old}, ${fresh}, ${columns}]);
      if (count !== 1) throw new Error(\`the sealed value of \${app_id} has changed\`);
    }
`;
      })
      .join('');
  return {
    constants: names.map((name) => constant(name, rows[name])).join(''),
    up: replace('before', 'after'),
    down: replace('after', 'before'),
  };
}

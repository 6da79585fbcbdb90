import { hmacSecretPurpose, masterKeyPurpose, open, seal, sealingKeyId, type SealPurpose } from '../../apps/sealing.js';
import type { Row } from '../../database/registrations.js';
import { type Admin, withAdmin } from '../admin.js';
import { write } from '../app/registration.js';
import type { Io } from '../io.js';
import { UsageError } from '../options.js';

export interface ResealOptions {
  from: string;
  to: string;
}

/** A sealed value of the database, and where it stands. */
interface Sealed {
  readonly table: string;
  readonly column: string;
  readonly key: Row;
  readonly purpose: SealPurpose;
  readonly value: string;
}

export async function reseal(io: Io, { from, to }: ResealOptions): Promise<void> {
  if (from === to) throw new UsageError('--from and --to are the same key');
  await withAdmin(io, async (admin) => {
    const { dataSource, settings, sealingKeys } = admin;
    const target = sealingKeys.get(to);
    if (target === undefined || !sealingKeys.has(from)) {
      throw new Error(`SECRETS_KEY must hold both keys; it holds ${[...sealingKeys.keys()].join(', ')}`);
    }
    const { appliedMigrations } = await import('../../database/migrate.js');
    const { changeOf, firstUnapplied, slugOf } = await import('../../database/registrations.js');
    await write(io, admin, async () => {
      // Its secrets would stay under the key that is to be retired.
      const pending = await firstUnapplied(settings.migrationsDir, await appliedMigrations(dataSource));
      if (pending !== undefined) {
        throw new Error(`${pending} is not applied yet: first run "npm run migrate", or remove it`);
      }
      const found = (await sealedValues(admin)).filter(({ value }) => sealingKeyId(value) === from);
      if (found.length === 0) throw new Error(`nothing is sealed with the key "${from}"`);
      const changes = found.map(({ table, column, key, purpose, value }) => {
        const resealed = seal(open(value, purpose, sealingKeys), purpose, new Map([[to, target]]));
        return changeOf(table, Object.keys(key), { ...key, [column]: value }, { ...key, [column]: resealed }, true);
      });
      return {
        slug: `reseal-${slugOf(from)}-${slugOf(to)}`,
        appIds: [...new Set(found.map(({ key }) => String(key.app_id)))],
        comment: `Seals with the key "${to}" all that the key "${from}" sealed.`,
        changes: changes.filter((change) => change !== undefined),
      };
    });
  });
}

async function sealedValues({ apps }: Admin): Promise<Sealed[]> {
  const keys = (await apps.all()).flatMap(({ masterKeys }) => masterKeys);
  const identities = await apps.identities();
  return [
    ...keys.map(({ appId, version, sealedKey }) => ({
      table: 'app_master_keys',
      column: 'sealed_key',
      key: { app_id: appId, version },
      purpose: masterKeyPurpose(appId, version),
      value: sealedKey,
    })),
    ...identities.flatMap(({ appId, sealedHmacSecret: value }) =>
      value === null
        ? []
        : [
            {
              table: 'app_identity',
              column: 'sealed_hmac_secret',
              key: { app_id: appId },
              purpose: hmacSecretPurpose(appId),
              value,
            },
          ],
    ),
  ];
}

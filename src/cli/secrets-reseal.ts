import {
  hmacSecretPurpose,
  masterKeyPurpose,
  open,
  seal,
  sealingKeyId,
  type SealPurpose,
} from '../apps/sealing.js';
import { appliedMigrations, withMigrationLock } from '../database/migrate.js';
import { allApps, withAdmin } from './admin-context.js';
import { resealing } from './app-migrations.js';
import { unapplied, writeMigration } from './migration-file.js';
import { printNext } from './output.js';
import { UsageError } from './usage-error.js';

export async function reseal({ from, to }: { from: string; to: string }): Promise<void> {
  if (from === to) throw new UsageError('--from and --to are the same key');
  await withAdmin(async (admin) => {
    const { identities, sealingKeys, dataSource } = admin;
    const target = sealingKeys.get(to);
    if (target === undefined || !sealingKeys.has(from)) {
      throw new Error(`SECRETS_KEY must hold both keys; it holds ${[...sealingKeys.keys()].join(', ')}`);
    }
    await withMigrationLock(dataSource, async () => {
      // What it seals would stay under the key that is to go.
      const [pending] = await unapplied(await appliedMigrations(dataSource));
      if (pending !== undefined) {
        throw new Error(
          `migrations/${pending} is not applied yet: first run "npm run migrate", or remove it`,
        );
      }
      const anew = (sealed: string, purpose: SealPurpose) => ({
        before: sealed,
        after: seal(open(sealed, purpose, sealingKeys), purpose, new Map([[to, target]])),
      });
      const keys = (await allApps(admin))
        .flatMap(({ masterKeys }) => masterKeys)
        .filter(({ sealedKey }) => sealingKeyId(sealedKey) === from)
        .map(({ appId, version, sealedKey }) => ({
          app_id: appId,
          version,
          ...anew(sealedKey, masterKeyPurpose(appId, version)),
        }));
      const secrets = (await identities.find({ order: { appId: 'ASC' } }))
        .filter(
          ({ sealedHmacSecret }) => sealedHmacSecret !== null && sealingKeyId(sealedHmacSecret) === from,
        )
        .map(({ appId, sealedHmacSecret }) => ({
          app_id: appId,
          ...anew(sealedHmacSecret ?? '', hmacSecretPurpose(appId)),
        }));
      if (keys.length + secrets.length === 0) throw new Error(`nothing is sealed with the key "${from}"`);
      printNext(await writeMigration(resealing(from, to, keys, secrets)));
    });
  });
}

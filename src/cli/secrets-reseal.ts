import { masterKeyPurpose, open, seal, sealingKeyId } from '../apps/sealing.js';
import { withMigrationLock } from '../database/migrate.js';
import { withAdmin } from './admin-context.js';
import { resealing } from './app-migrations.js';
import { writeMigration } from './migration-file.js';
import { printNext } from './output.js';
import { UsageError } from './usage-error.js';

export async function reseal({ from, to }: { from: string; to: string }): Promise<void> {
  if (from === to) throw new UsageError('--from and --to are the same key');
  await withAdmin(async ({ registry, sealingKeys, dataSource }) => {
    const target = sealingKeys.get(to);
    if (target === undefined || !sealingKeys.has(from)) {
      throw new Error(`SECRETS_KEY must hold both keys; it holds ${[...sealingKeys.keys()].join(', ')}`);
    }
    await withMigrationLock(dataSource, async () => {
      const keys = (await registry.all())
        .flatMap(({ masterKeys }) => masterKeys)
        .filter(({ sealedKey }) => sealingKeyId(sealedKey) === from)
        .map(({ appId, version, sealedKey }) => {
          const purpose = masterKeyPurpose(appId, version);
          const after = seal(open(sealedKey, purpose, sealingKeys), purpose, new Map([[to, target]]));
          return { app_id: appId, version, before: sealedKey, after };
        });
      if (keys.length === 0) throw new Error(`nothing is sealed with the key "${from}"`);
      printNext(await writeMigration(resealing(from, to, keys)));
    });
  });
}

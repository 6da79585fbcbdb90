import { masterKeyPurpose, seal } from '../../apps/sealing.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';
import { readSecrets } from '../prompt.js';
import { presentApp, requireThere, writeChange } from './migration.js';

export async function rotateKey(
  io: Io,
  { appId, activeFrom }: { appId: string; activeFrom?: Date },
): Promise<void> {
  await withAdmin(io, async (admin) => {
    requireThere(appId, await presentApp(admin, appId));
    const [masterKey = ''] = await readSecrets(io, ['new master key']);
    await writeChange(io, admin, appId, (present) => {
      const { masterKeys } = requireThere(appId, present);
      const version = Math.max(0, ...masterKeys.map((key) => key.version)) + 1;
      return {
        slug: 'rotate-key',
        comment:
          'Adds a version to the master key of an app. It is sealed, and bound to the app and the version.',
        key: {
          app_id: appId,
          version,
          sealed_key: seal(masterKey, masterKeyPurpose(appId, version), admin.sealingKeys),
          active_from: activeFrom?.toISOString() ?? null,
        },
      };
    });
  });
}

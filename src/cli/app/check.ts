import { AppIdentity } from '../../apps/app-identity.entity.js';
import { allApps, faultsOf } from '../../apps/app-records.js';
import { withAdmin } from '../admin.js';
import type { Io, OutputOptions } from '../io.js';

export async function check(io: Io, options: OutputOptions): Promise<void> {
  await withAdmin(io, async ({ dataSource, sealingKeys }) => {
    const identities = await dataSource.getRepository(AppIdentity).find();
    const byApp = new Map(identities.map((identity) => [identity.appId, identity]));
    const faults = (await allApps(dataSource)).flatMap((app) =>
      faultsOf(app, byApp.get(app.appId) ?? null, sealingKeys).map((fault) => ({ app_id: app.appId, fault })),
    );
    if (options.json) io.printJson(faults);
    else if (faults.length === 0) io.printSuccess('every sealed key opens, and every app has a key in force');
    else io.printTable(faults, { app: ({ app_id }) => app_id, fault: ({ fault }) => fault });
    if (faults.length > 0) io.exitCode = 1;
  });
}

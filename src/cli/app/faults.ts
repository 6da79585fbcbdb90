import { faultsOf, type SecretFault } from '../../apps/app-report.js';
import type { Admin } from '../admin.js';
import type { Io, OutputOptions } from '../io.js';

/** A reason why the service cannot sign for an app or verify its tokens. */
type AppFault = SecretFault & Readonly<{ app_id: string }>;

/** Tries to open every sealed secret, and prints what is wrong. @returns the faults of what the service needs. */
export async function reportFaults(
  io: Io,
  { apps, sealingKeys }: Admin,
  options: OutputOptions = {},
): Promise<AppFault[]> {
  const registered = await apps.all();
  const identities = new Map((await apps.identities()).map((identity) => [identity.appId, identity]));
  const faults = registered.flatMap((app) =>
    faultsOf(app, identities.get(app.appId) ?? null, sealingKeys, Date.now()).map((fault) => ({
      app_id: app.appId,
      ...fault,
    })),
  );
  if (options.json) io.printJson(faults);
  else if (registered.length === 0) io.print('no app is registered yet');
  else if (faults.length === 0) io.printSuccess('every sealed key opens, and every app has a key that signs');
  else for (const { app_id, fault } of faults) io.print(`${app_id}: ${fault}`);
  return faults.filter(({ retired }) => !retired);
}

import { AppIdentity } from '../../apps/app-identity.entity.js';
import { rowOf } from '../../apps/app-records.js';
import { App } from '../../apps/app.entity.js';
import { type Admin, withAdmin } from '../admin.js';
import type { Io } from '../io.js';
import { readSecrets } from '../prompt.js';
import { UsageError } from '../usage-error.js';
import { presentApp, requireThere, writeChange } from './migration.js';
import { type AppOptions, identityFrom, secretsFor, splitOptions, type TokenOptions } from './options.js';

export async function set(
  io: Io,
  { appId, ...options }: AppOptions & TokenOptions & { appId: string },
): Promise<void> {
  const { app: given, tokens } = splitOptions(options);
  if (Object.keys(given).length === 0 && tokens === undefined) {
    throw new UsageError('nothing to set: give at least one option besides --app-id');
  }
  await withAdmin(io, async (admin) => {
    const { identity } = requireThere(appId, await presentApp(admin, appId));
    const jwt = (given.identity ?? identity) === 'jwt';
    if (!jwt && tokens !== undefined) {
      throw new UsageError('how tokens are verified is for apps with identity jwt only');
    }
    const [secret] = tokens?.hmacSecret ? await readSecrets(io, secretsFor(tokens)) : [];
    await writeChange(io, admin, appId, async (present) => {
      const app = requireThere(appId, present);
      const settings = jwt
        ? await identityFrom(appId, present.identity, tokens, secret, admin.sealingKeys)
        : null;
      return {
        slug: 'set-app',
        comment: `Changes ${[...Object.keys(given), ...(tokens === undefined ? [] : ['the verification of tokens'])].join(', ')} of an app.`,
        app: changed(admin, app, given),
        identity: settings && rowOf(admin.dataSource, AppIdentity, settings),
      };
    });
  });
}

/** @param verb how the change is called in the migration's name. */
export async function setDisabled(io: Io, verb: string, appId: string, disabled: boolean): Promise<void> {
  await withAdmin(io, (admin) =>
    writeChange(io, admin, appId, (present) => ({
      slug: `${verb}-app`,
      comment: 'Changes disabled of an app.',
      app: changed(admin, requireThere(appId, present), { disabled }),
    })),
  );
}

function changed({ dataSource }: Admin, app: App, change: Partial<App>) {
  const given = Object.entries(rowOf(dataSource, App, change)).filter(([, value]) => value !== undefined);
  return { ...rowOf(dataSource, App, app), ...Object.fromEntries(given) };
}

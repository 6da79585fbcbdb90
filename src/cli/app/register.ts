import { AppIdentity } from '../../apps/app-identity.entity.js';
import { rowOf } from '../../apps/app-records.js';
import { App } from '../../apps/app.entity.js';
import { masterKeyPurpose, seal } from '../../apps/sealing.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';
import { readSecrets } from '../prompt.js';
import { UsageError } from '../usage-error.js';
import { type Present, presentApp, writeChange } from './migration.js';
import { type AppOptions, identityFrom, secretsFor, splitOptions, type TokenOptions } from './options.js';

export async function register(
  io: Io,
  { appId, ...options }: AppOptions & TokenOptions & { appId: string },
): Promise<void> {
  const { app, tokens } = splitOptions(options);
  const jwt = app.identity === 'jwt';
  if (!jwt && tokens !== undefined) {
    throw new UsageError('how tokens are verified is for --identity jwt only');
  }
  await withAdmin(io, async (admin) => {
    const { dataSource, sealingKeys } = admin;
    // Before anything is asked for, and again when nobody else can write.
    requireNew(appId, await presentApp(admin, appId));
    if (jwt) requireComplete(tokens);
    const [masterKey = '', secret] = await readSecrets(io, ['master key', ...secretsFor(tokens)]);
    await writeChange(io, admin, appId, async (present) => {
      requireNew(appId, present);
      const identity = jwt ? await identityFrom(appId, null, tokens, secret, sealingKeys) : undefined;
      return {
        slug: 'register-app',
        comment: 'Registers an app. What is secret is sealed, and bound to the app.',
        app: rowOf(dataSource, App, { appId, disabled: false, ...app }),
        key: {
          app_id: appId,
          version: 1,
          sealed_key: seal(masterKey, masterKeyPurpose(appId, 1), sealingKeys),
        },
        ...(identity && { identity: rowOf(dataSource, AppIdentity, identity) }),
      };
    });
  });
}

function requireNew(appId: string, { app }: Present): void {
  if (app !== null) throw new Error(`the app "${appId}" is registered already`);
}

/** Said before anybody types a key in vain. */
function requireComplete({ jwksUri, jwksFile, hmacSecret, algorithms }: TokenOptions = {}): void {
  if ((jwksUri ?? jwksFile ?? hmacSecret) === undefined || algorithms === undefined) {
    throw new UsageError(
      'identity jwt needs --algorithms and one of --jwks-uri, --jwks-file and --hmac-secret',
    );
  }
}

import { fromNowOn, type Present } from '../../apps/app-registrations.js';
import { requireRegistered } from '../../apps/app-report.js';
import { masterKeyPurpose, seal } from '../../apps/sealing.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';
import { UsageError } from '../options.js';
import { readSecrets } from '../prompt.js';
import { nameSealingKey, warnOpenToEveryone } from './warnings.js';
import { type ChangeOptions, identityFrom, secretsFor, splitOptions, type TokenOptions } from './options.js';

export async function register(io: Io, options: ChangeOptions): Promise<void> {
  const { appId, app, tokens } = splitOptions(options);
  const jwt = app.identity === 'jwt';
  if (!jwt && tokens !== undefined) throw new UsageError('how tokens are verified is for --identity jwt only');
  await withAdmin(io, async (admin) => {
    const { registrations, sealingKeys } = admin;
    // Before anything is asked for, and again when nobody else can write.
    requireNew(appId, await registrations.present(appId));
    if (jwt) requireComplete(tokens);
    else warnOpenToEveryone(io, appId);
    nameSealingKey(io, admin);
    const [masterKey = '', secret] = await readSecrets(io, ['master key', ...secretsFor(tokens)]);
    const file = await registrations.change(appId, async (present) => {
      requireNew(appId, present);
      return {
        slug: 'register-app',
        comment: 'Registers an app. Its secrets are sealed, and bound to the app.',
        opens: !jwt,
        app: { appId, disabled: false, ...app },
        key: {
          app_id: appId,
          version: 1,
          sealed_key: seal(masterKey, masterKeyPurpose(appId, 1), sealingKeys),
          active_from: fromNowOn(),
        },
        ...(jwt && { identity: await identityFrom(appId, null, tokens, secret, sealingKeys) }),
      };
    });
    io.printWritten(file);
  });
}

export async function set(io: Io, options: ChangeOptions): Promise<void> {
  const { appId, app: given, tokens } = splitOptions(options);
  if (Object.keys(given).length === 0 && tokens === undefined) {
    throw new UsageError('nothing to set: give at least one option besides --app-id');
  }
  await withAdmin(io, async (admin) => {
    const { registrations, sealingKeys } = admin;
    const { identity } = requireRegistered(appId, (await registrations.present(appId)).app);
    const jwt = (given.identity ?? identity) === 'jwt';
    if (!jwt && tokens !== undefined) {
      throw new UsageError('how tokens are verified is for apps with identity jwt only');
    }
    if (!jwt && identity === 'jwt') warnOpenToEveryone(io, appId);
    const secrets = secretsFor(tokens);
    if (secrets.length > 0) nameSealingKey(io, admin);
    const [secret] = await readSecrets(io, secrets);
    const what = [...Object.keys(given), ...(tokens === undefined ? [] : ['the verification of tokens'])];
    const file = await registrations.change(appId, async (present) => {
      requireRegistered(appId, present.app);
      return {
        slug: 'set-app',
        comment: `Changes ${what.join(', ')} of an app.`,
        opens: !jwt && present.app?.identity === 'jwt',
        app: given,
        identity: jwt ? await identityFrom(appId, present.identity, tokens, secret, sealingKeys) : null,
      };
    });
    io.printWritten(file);
  });
}

function requireNew(appId: string, { app }: Present): void {
  if (app !== null) throw new Error(`the app "${appId}" is already registered; "im-signature app set" changes it`);
}

/** Checked before the prompt. */
function requireComplete({ jwksUri, jwksFile, hmacSecret, algorithms }: TokenOptions = {}): void {
  if ((jwksUri ?? jwksFile ?? hmacSecret) === undefined || algorithms === undefined) {
    throw new UsageError('identity jwt needs --algorithms and one of --jwks-uri, --jwks-file and --hmac-secret');
  }
}

import type { AppIdentity } from '../../apps/app-identity.entity.js';
import { keyStates } from '../../apps/app-report.js';
import type { App } from '../../apps/app.entity.js';
import { sealingKeyId } from '../../apps/sealing.js';
import { keyInForce } from '../../apps/signing-app.js';
import { type Admin, withAdmin } from '../admin.js';
import type { Io, OutputOptions } from '../io.js';
import { enforce } from '../membership.js';

/** Days after which a platform has seen what its rules would refuse. */
const LONG_IN_SHADOW = 30;

type AppSummary = Readonly<Record<string, string | number | boolean | null>>;

export async function list(io: Io, options: OutputOptions): Promise<void> {
  await withAdmin(io, async (admin) => {
    const summaries = (await admin.apps.all()).map((app) => summaryOf(admin, app));
    io.printTable(
      summaries,
      options,
      ({ app_id, name, identity, membership, membership_mode, disabled, key_in_force }) => ({
        app_id,
        name: clip(String(name)),
        identity: identity === 'none' ? io.warning('none: open') : identity,
        membership: membership !== 'off' && membership_mode === 'shadow' ? io.warning('shadow') : membership,
        key: disabled ? io.warning('disabled') : (key_in_force ?? io.warning('none')),
      }),
    );
  });
}

export async function show(io: Io, id: string, options: OutputOptions): Promise<void> {
  await withAdmin(io, async (admin) => {
    const app = await admin.apps.require(id);
    const keys = keyStates(app, Date.now());
    const tokens = tokensOf(await admin.apps.identity(id));
    const summary = summaryOf(admin, app);
    const daysInShadow = await admin.apps.daysInShadow(id);
    if (daysInShadow !== null && daysInShadow > LONG_IN_SHADOW) {
      io.printWarning(
        `the app has been in shadow mode for ${daysInShadow} days, and its rules refuse nothing; enforce them with ${enforce(id)}`,
      );
    }
    if (options.json) {
      io.printJson({ ...summary, days_in_shadow: daysInShadow, keys, tokens });
      return;
    }
    io.printTable([summary], options, (row) => ({
      ...row,
      identity: row.identity === 'none' ? io.warning('none: open to everyone') : row.identity,
      key_in_force: row.key_in_force ?? io.warning('none'),
    }));
    io.printTable(keys);
    if (tokens !== null) io.printTable([tokens]);
  });
}

/** So that a row fits 100 columns with an id of LeanCloud's, which has 33 characters; `app show` has the whole name. */
function clip(name: string): string {
  const characters = Array.from(name);
  return characters.length <= 20 ? name : `${characters.slice(0, 19).join('')}…`;
}

/** The app's columns, and which version of its key signs now. */
function summaryOf({ apps }: Admin, app: App): AppSummary {
  const key_in_force = keyInForce(app.masterKeys, Date.now())?.version ?? null;
  return { ...(apps.appRow(app) as AppSummary), key_in_force };
}

/** How an app's tokens are verified, without the secret. */
function tokensOf(identity: AppIdentity | null) {
  if (identity === null) return null;
  const { issuer, audience, clientIdClaim, algorithms, jwksUri, jwks, sealedHmacSecret } = identity;
  const keys = jwks?.keys.map(({ kid }) => kid ?? 'without kid').join(', ');
  return {
    keys: jwksUri ?? keys ?? `a secret, sealed with ${sealingKeyId(sealedHmacSecret ?? '')}`,
    algorithms: algorithms.join(', '),
    issuer,
    audience,
    client_id_claim: clientIdClaim,
  };
}

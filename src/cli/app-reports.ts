import type { App } from '../apps/app.entity.js';
import { keyInForce } from '../apps/signing-app.js';
import {
  hmacSecretPurpose,
  masterKeyPurpose,
  open,
  SealError,
  sealingKeyId,
  type SealPurpose,
} from '../apps/sealing.js';
import type { AppIdentity } from '../apps/app-identity.entity.js';
import { type Admin, allApps, requireApp, withAdmin } from './admin-context.js';
import { columnsNow } from './app-migrations.js';
import { good, type OutputOptions, printJson, printTable, warning } from './output.js';

type AppSummary = ReturnType<typeof summaryOf>;

function summaryOf(app: App) {
  return {
    app_id: app.appId,
    ...columnsNow(app),
    key_in_force: keyInForce(app.masterKeys, Date.now())?.version ?? null,
  };
}

const SUMMARY_COLUMNS: Record<string, (app: AppSummary) => string | number | boolean | null> = {
  app: (app) => app.app_id,
  name: (app) => app.name,
  identity: (app) => (app.identity === 'none' ? warning('none: open to everyone') : app.identity),
  disabled: (app) => app.disabled,
  timestamp: (app) => app.timestamp_format,
  membership: (app) => app.membership,
  'max members': (app) => app.max_members,
  'key in force': (app) => app.key_in_force ?? warning('none'),
};

export async function list(options: OutputOptions): Promise<void> {
  await withAdmin(async (admin) => {
    printTable((await allApps(admin)).map(summaryOf), SUMMARY_COLUMNS, options);
  });
}

export async function show(id: string, options: OutputOptions): Promise<void> {
  await withAdmin(async (admin) => {
    const app = await requireApp(admin, id);
    const keys = keysOf(app);
    const tokens = tokensOf(await admin.identities.findOneBy({ appId: id }));
    if (options.json) {
      printJson({ ...summaryOf(app), keys, tokens });
      return;
    }
    printTable([summaryOf(app)], SUMMARY_COLUMNS, options);
    printTable(
      keys,
      {
        'key version': (key) => key.version,
        state: (key) => key.state,
        'active from': (key) => key.active_from,
        until: (key) => key.active_until,
        'sealed with': (key) => key.sealed_with,
      },
      options,
    );
    if (tokens === null) return;
    const settings = Object.entries(tokens).map(([setting, value]) => ({ setting, value }));
    printTable(settings, { 'tokens are verified by': (row) => row.setting, '': (row) => row.value }, options);
  });
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

/** The versions of an app's key in the order they begin to sign, each until the next one does. */
function keysOf(app: App) {
  const inForce = keyInForce(app.masterKeys, Date.now());
  const keys = app.masterKeys.toSorted(
    (a, b) => a.activeFrom.getTime() - b.activeFrom.getTime() || a.version - b.version,
  );
  return keys.map((key, index) => ({
    version: key.version,
    state: key === inForce ? 'in force' : key.activeFrom.getTime() > Date.now() ? 'scheduled' : 'past',
    active_from: key.activeFrom.toISOString(),
    active_until: keys[index + 1]?.activeFrom.toISOString() ?? null,
    sealed_with: sealingKeyId(key.sealedKey),
  }));
}

export async function check(options: OutputOptions): Promise<void> {
  await withAdmin(async (admin) => {
    const identities = new Map((await admin.identities.find()).map((identity) => [identity.appId, identity]));
    const faults = (await allApps(admin)).flatMap((app) => faultsOf(app, identities.get(app.appId), admin));
    if (options.json) printJson(faults);
    else if (faults.length === 0) good('every sealed key opens, and every app has a key in force');
    else printTable(faults, { app: (fault) => fault.app_id, fault: (fault) => fault.fault }, options);
    if (faults.length > 0) process.exitCode = 1;
  });
}

function faultsOf(
  app: App,
  identity: AppIdentity | undefined,
  { sealingKeys }: Admin,
): { app_id: string; fault: string }[] {
  const faults: string[] = [];
  const tryToOpen = (what: string, sealed: string, purpose: SealPurpose): void => {
    try {
      open(sealed, purpose, sealingKeys);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      faults.push(`${what}: ${error.message}`);
    }
  };
  if (keyInForce(app.masterKeys, Date.now()) === undefined) faults.push('has no key in force');
  for (const { version, sealedKey } of app.masterKeys) {
    tryToOpen(`key ${version}`, sealedKey, masterKeyPurpose(app.appId, version));
  }
  if (app.identity === 'jwt' && identity === undefined) {
    faults.push('asks for tokens, and says not how to verify them');
  }
  const secret = identity?.sealedHmacSecret ?? null;
  if (secret !== null) tryToOpen('HMAC secret', secret, hmacSecretPurpose(app.appId));
  return faults.map((fault) => ({ app_id: app.appId, fault }));
}

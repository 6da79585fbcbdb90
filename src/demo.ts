import { randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import type { DataSource, EntityManager } from 'typeorm';
import { AppRecords } from './apps/app-records.js';
import type { App, Identity } from './apps/app.entity.js';
import { hmacSecretPurpose, masterKeyPurpose, open, seal } from './apps/sealing.js';
import type { SealingKeys } from './config/secrets-key.js';

/** Public on purpose, so that anyone can recompute a signature. */
export const DEMO_MASTER_KEY = 'demo-master-key';
/** The demo apps; the last one asks for tokens. */
const APPS = { '1': 'none', '2': 'none', '3': 'jwt' } as const satisfies Record<string, Identity>;
const JWT_APP = '3';
const nameOf = (appId: string) => `Demo app ${appId}`;
const CLIENT = 'alice';
const SECRET_PURPOSE = hmacSecretPurpose(JWT_APP);

/** Makes the demo apps that do not exist yet. Only ever called for an embedded database. */
export async function makeDemoApps(dataSource: DataSource, keys: SealingKeys): Promise<void> {
  await dataSource.transaction(async (manager) => {
    for (const [appId, identity] of Object.entries(APPS)) await makeDemoApp(manager, keys, appId, identity);
  });
}

/** An app with this id that exists already stays as it is. */
async function makeDemoApp(manager: EntityManager, keys: SealingKeys, appId: string, identity: Identity) {
  const made: unknown[] = await manager.query(
    'INSERT INTO apps (app_id, name, identity) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING app_id',
    [appId, nameOf(appId), identity],
  );
  if (made.length === 0) return;
  await manager.query('INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ($1, 1, $2)', [
    appId,
    seal(DEMO_MASTER_KEY, masterKeyPurpose(appId, 1), keys),
  ]);
  if (appId !== JWT_APP) return;
  await manager.query(`INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ($1, '{HS256}', $2)`, [
    appId,
    seal(randomBytes(32).toString('base64url'), SECRET_PURPOSE, keys),
  ]);
}

/** Whether an app is a demo app, and none that a user has registered under its id. */
export function isDemoApp({ appId, name }: Pick<App, 'appId' | 'name'>): boolean {
  return appId in APPS && name === nameOf(appId);
}

/** Says how to call the demo apps that exist, and that no user's app has replaced, by the URL of the service. */
export async function demoInstructions(dataSource: DataSource, keys: SealingKeys): Promise<(url: string) => string> {
  const apps = new AppRecords(dataSource);
  const demo = (await apps.all()).filter(isDemoApp);
  const openIds = demo.filter(({ appId }) => appId !== JWT_APP).map(({ appId }) => appId);
  const secret = demo.some(({ appId }) => appId === JWT_APP) && (await apps.identity(JWT_APP))?.sealedHmacSecret;
  const token = secret ? await tokenBy(secret, keys) : undefined;
  const openApps = (url: string) => `
Demo apps with identity none: ${openIds.join(', ')} (master key "${DEMO_MASTER_KEY}"). Try:

  curl ${url}/signature/login/${openIds[0] ?? ''}/${CLIENT}
`;
  const jwtApp = (url: string) => `
Demo app ${JWT_APP} verifies tokens. With one of client ${CLIENT}, valid for 24 hours:

  curl -H 'Authorization: Bearer ${token ?? ''}' ${url}/signature/login/${JWT_APP}/${CLIENT}
`;
  return (url) => `${openIds.length === 0 ? '' : openApps(url)}${token === undefined ? '' : jwtApp(url)}
API documentation: ${url}/docs
Ctrl-C stops the service and its database.

`;
}

async function tokenBy(sealedSecret: string, keys: SealingKeys): Promise<string> {
  return new SignJWT({ sub: CLIENT })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('24h')
    .sign(open(sealedSecret, SECRET_PURPOSE, keys));
}

import { randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import type { DataSource } from 'typeorm';
import { AppIdentity } from '../apps/app-identity.entity.js';
import { demoAppsAmong, makeDemoApp } from '../apps/demo-apps.js';
import { hmacSecretPurpose, open, seal } from '../apps/sealing.js';
import type { SealingKeys } from '../config/secrets-key.js';

/** The demo app that asks for tokens. */
export const DEMO_JWT_APP_ID = '3';
export const DEMO_CLIENT_ID = 'alice';

/** Makes the demo app that asks for tokens, with a secret of its own, unless it is there. Only ever called for an embedded database. */
export async function makeDemoJwtApp(dataSource: DataSource, keys: SealingKeys): Promise<void> {
  await dataSource.transaction(async (transaction) => {
    if (!(await makeDemoApp(transaction, keys, DEMO_JWT_APP_ID, 'jwt'))) return;
    const secret = randomBytes(32).toString('base64url');
    await transaction.query(
      `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ($1, '{HS256}', $2)`,
      [DEMO_JWT_APP_ID, seal(secret, hmacSecretPurpose(DEMO_JWT_APP_ID), keys)],
    );
  });
}

/** A token of 24 hours for the demo client; undefined when the app is not the demo's, or asks for other tokens by now. */
export async function demoToken(dataSource: DataSource, keys: SealingKeys): Promise<string | undefined> {
  const [appId] = await demoAppsAmong(dataSource, [DEMO_JWT_APP_ID]);
  if (appId === undefined) return undefined;
  const identity = await dataSource.getRepository(AppIdentity).findOneBy({ appId: DEMO_JWT_APP_ID });
  const sealed = identity?.sealedHmacSecret ?? null;
  if (sealed === null) return undefined;
  const secret = new TextEncoder().encode(open(sealed, hmacSecretPurpose(DEMO_JWT_APP_ID), keys));
  return new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(DEMO_CLIENT_ID)
    .setExpirationTime('24h')
    .sign(secret);
}

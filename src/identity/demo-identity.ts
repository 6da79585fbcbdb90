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

const PURPOSE = hmacSecretPurpose(DEMO_JWT_APP_ID);

/** Makes the demo app that asks for tokens, with a fresh secret, unless it exists. For an embedded database only. */
export async function makeDemoJwtApp(dataSource: DataSource, keys: SealingKeys): Promise<void> {
  await dataSource.transaction(async (transaction) => {
    if (!(await makeDemoApp(transaction, keys, DEMO_JWT_APP_ID, 'jwt'))) return;
    await transaction.query(
      `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ($1, '{HS256}', $2)`,
      [DEMO_JWT_APP_ID, seal(randomBytes(32).toString('base64url'), PURPOSE, keys)],
    );
  });
}

/** A token of 24 hours for the demo client; undefined when the app is not the demo's, or has no shared secret any more. */
export async function demoToken(dataSource: DataSource, keys: SealingKeys): Promise<string | undefined> {
  const [appId] = await demoAppsAmong(dataSource, [DEMO_JWT_APP_ID]);
  if (appId === undefined) return undefined;
  const identity = await dataSource.getRepository(AppIdentity).findOneBy({ appId });
  if (!identity?.sealedHmacSecret) return undefined;
  return new SignJWT({ sub: DEMO_CLIENT_ID })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('24h')
    .sign(new TextEncoder().encode(open(identity.sealedHmacSecret, PURPOSE, keys)));
}

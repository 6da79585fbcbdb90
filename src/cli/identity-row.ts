import { readFile } from 'node:fs/promises';
import type { AppIdentity } from '../apps/app-identity.entity.js';
import { HMAC_ALGORITHMS } from '../identity/algorithms.js';
import { parseKeySet } from '../identity/fetch-key-set.js';
import { hmacSecretPurpose, seal } from '../apps/sealing.js';
import type { SealingKeys } from '../config/secrets-key.js';
import type { IdentityOptions } from './app-options.js';
import type { Row } from './migration-file.js';
import { UsageError } from './usage-error.js';

/** A row of `app_identity` as it is written: what is null is left out. */
export type IdentityRow = Row & { readonly app_id: string };

/** The row as it is now, to be put back when a change is reverted. */
export function rowOf(identity: AppIdentity | null): IdentityRow | undefined {
  if (identity === null) return undefined;
  return withoutNulls(identity.appId, {
    issuer: identity.issuer,
    audience: identity.audience,
    client_id_claim: identity.clientIdClaim,
    algorithms: arrayText(identity.algorithms),
    jwks_uri: identity.jwksUri,
    jwks: identity.jwks && JSON.stringify(identity.jwks),
    sealed_hmac_secret: identity.sealedHmacSecret,
  });
}

/**
 * The row that the options make of what is there, or of nothing.
 *
 * @param secret the shared secret, where `--hmac-secret` asks for one.
 * @throws {UsageError} when the options do not go together.
 */
export async function changedRow(
  appId: string,
  now: IdentityRow | undefined,
  options: IdentityOptions,
  secret: string | undefined,
  sealingKeys: SealingKeys,
): Promise<IdentityRow> {
  const key = await keyOf(appId, options, secret, sealingKeys);
  const kept = { jwks_uri: now?.jwks_uri, jwks: now?.jwks, sealed_hmac_secret: now?.sealed_hmac_secret };
  const row = withoutNulls(appId, {
    issuer: options.issuer ?? now?.issuer,
    audience: options.audience ?? now?.audience,
    client_id_claim: options.clientIdClaim ?? now?.client_id_claim ?? 'sub',
    algorithms: options.algorithms === undefined ? now?.algorithms : arrayText(options.algorithms),
    ...(key ?? kept),
  });
  requireFit(row, secret);
  return row;
}

async function keyOf(
  appId: string,
  options: IdentityOptions,
  secret: string | undefined,
  keys: SealingKeys,
): Promise<Row | undefined> {
  if (options.jwksUri !== undefined) return { jwks_uri: options.jwksUri };
  if (options.jwksFile !== undefined) return { jwks: JSON.stringify(await readKeySet(options.jwksFile)) };
  if (secret !== undefined) return { sealed_hmac_secret: seal(secret, hmacSecretPurpose(appId), keys) };
  return undefined;
}

async function readKeySet(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`, {
      cause: error,
    });
  }
  try {
    const set = parseKeySet(text);
    if (set.keys.length === 0) throw new Error('it holds no key');
    return set;
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

function requireFit(row: IdentityRow, secret: string | undefined): void {
  const { jwks_uri, jwks, sealed_hmac_secret, algorithms } = row;
  if ((jwks_uri ?? jwks ?? sealed_hmac_secret) === undefined) {
    throw new UsageError('identity jwt needs one of --jwks-uri, --jwks-file and --hmac-secret');
  }
  if (typeof algorithms !== 'string') throw new UsageError('identity jwt needs --algorithms, such as RS256');
  const names = algorithms.slice(1, -1).split(',');
  const shared = sealed_hmac_secret !== undefined;
  const misfit = names.find((name) => HMAC_ALGORITHMS.has(name) !== shared);
  if (misfit !== undefined) {
    throw new UsageError(
      `${misfit} does not go with ${shared ? 'a shared secret' : 'public keys'}: give --algorithms that do`,
    );
  }
  const least = Math.max(...names.map((name) => HMAC_ALGORITHMS.get(name) ?? 0));
  if (secret !== undefined && Buffer.byteLength(secret) < least) {
    throw new Error(
      `the HMAC secret has ${Buffer.byteLength(secret)} bytes; ${names.join(',')} takes ${least} or more (RFC 7518, 3.2)`,
    );
  }
}

function withoutNulls(appId: string, columns: Record<string, Row[string] | undefined>): IdentityRow {
  const set = Object.entries(columns).filter(([, value]) => value !== null && value !== undefined);
  return { app_id: appId, ...(Object.fromEntries(set) as Row) };
}

/** A text array as PostgreSQL writes it; the names of algorithms need no quotes. */
function arrayText(names: readonly string[]): string {
  return `{${names.join(',')}}`;
}

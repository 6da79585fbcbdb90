import { createHash } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import {
  createLocalJWKSet,
  type CryptoKey,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';
import { LRUCache } from 'lru-cache';
import { In, Repository } from 'typeorm';
import { SEALING_KEYS } from '../apps/app-registry.js';
import { isId } from '../apps/ids.js';
import { hmacSecretPurpose, open } from '../apps/sealing.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { ChangeFeed } from '../database/change-feed.js';
import { inBatches } from '../database/in-batches.js';
import type { RowCache } from '../database/row-cache.js';
import { Problem } from '../operations/problem.js';
import { AppIdentity } from './app-identity.entity.js';
import { clientIdIn } from './client-id-claim.js';
import { KeysUnavailableError, RemoteKeys } from './remote-keys.js';

/** Seconds by which the issuer's clock and this one may differ. */
const CLOCK_TOLERANCE = 30;

/** Verified tokens that are remembered, over all apps: a digest and a client id each, some 300 bytes. */
const MAX_REMEMBERED = 50_000;

/** Apps whose settings and keys are kept at hand. */
const MAX_APPS = 1_000;

/** Where the keys of one app come from. */
interface KeySource {
  key(...token: Parameters<JWTVerifyGetKey>): Promise<CryptoKey | Uint8Array>;
  /** Whether it may have other keys now than a moment ago. */
  learnMore?(): Promise<boolean>;
}

/** A token that proves nothing. The message is for administrators; what callers are told is less. */
export class TokenError extends Error {
  override readonly name = 'TokenError';

  constructor(
    readonly code: 'identity_invalid' | 'identity_expired',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Who a token says its bearer is, and until when, in seconds since 1970. */
export interface VerifiedToken {
  readonly clientId: string;
  readonly expires: number;
}

/** Verifies bearer tokens as each app's identity settings ask. */
@Injectable()
export class TokenVerifier {
  private readonly logger = new Logger('Identity');
  private readonly remembered = new LRUCache<string, VerifiedToken>({ max: MAX_REMEMBERED });
  private readonly keySources = new LRUCache<string, KeySource>({ max: MAX_APPS });

  private readonly settings: RowCache<AppIdentity>;
  /** The settings as text, which is made once for each row that is remembered. */
  private readonly rules = new WeakMap<AppIdentity, string>();

  constructor(
    @InjectRepository(AppIdentity) identities: Repository<AppIdentity>,
    @Inject(SEALING_KEYS) private readonly sealingKeys: SealingKeys,
    feed: ChangeFeed,
  ) {
    this.settings = feed.cache({
      name: 'identity settings',
      max: MAX_APPS,
      keyParts: 1,
      tables: ['app_identity'],
      fetch: inBatches(async (appIds) => {
        const rows = await identities.findBy({ appId: In(appIds) });
        return new Map(rows.map((row) => [row.appId, row]));
      }),
    });
  }

  /**
   * The client that a token is for. A token is verified once, and then remembered until it expires.
   *
   * @throws {Problem} `identity_invalid`, `identity_expired`; `unavailable` when the app's keys cannot be had.
   */
  async clientId(appId: string, token: string): Promise<string> {
    try {
      const settings = await this.settings.get(appId);
      if (settings === undefined) {
        throw new Error(`App ${appId} asks for tokens, and has no settings to verify them by`);
      }
      return (await this.verify(settings, token)).clientId;
    } catch (error) {
      if (error instanceof TokenError) throw new Problem(error.code, TOLD[error.code]);
      throw new Problem('unavailable', "The app's tokens cannot be verified right now.", { cause: error });
    }
  }

  /** @throws {TokenError} or any other error when the token cannot be judged. */
  async verify(settings: AppIdentity, token: string): Promise<VerifiedToken> {
    // All settings are part of the key: when they change, what was verified by the old ones is not found any more.
    const rules = this.rules.get(settings) ?? JSON.stringify(settings);
    this.rules.set(settings, rules);
    const digest = createHash('sha256').update(rules).update('\0').update(token).digest('base64');
    const known = this.remembered.get(digest);
    if (known !== undefined && known.expires + CLOCK_TOLERANCE > Date.now() / 1000) return known;

    const claims = await verifyToken(token, this.keySource(rules, settings), settings);
    const clientId = clientIdIn(claims, settings.clientIdClaim);
    const { exp = Infinity } = claims;
    if (!Number.isFinite(exp)) throw new TokenError('identity_invalid', 'the claim "exp" is no time');
    if (clientId === undefined) {
      throw new TokenError(
        'identity_invalid',
        `the claim "${settings.clientIdClaim}" is missing, or no text or whole number`,
      );
    }
    const verified = { clientId, expires: exp };
    // What is no id, and may be long, is no client's, and need not be remembered.
    if (isId(clientId)) this.remembered.set(digest, verified);
    return verified;
  }

  private keySource(rules: string, settings: AppIdentity): KeySource {
    let source = this.keySources.get(rules);
    if (source === undefined) {
      source = this.makeKeySource(settings);
      this.keySources.set(rules, source);
    }
    return source;
  }

  private makeKeySource({ appId, jwksUri, jwks, sealedHmacSecret }: AppIdentity): KeySource {
    if (jwksUri !== null) {
      return new RemoteKeys(jwksUri, (message) => {
        this.logger.warn(message);
      });
    }
    if (jwks !== null) return { key: createLocalJWKSet(jwks) };
    if (sealedHmacSecret === null) throw new Error(`App ${appId} has no key to verify tokens by`);
    const secret = new TextEncoder().encode(
      open(sealedHmacSecret, hmacSecretPurpose(appId), this.sealingKeys),
    );
    return { key: () => Promise.resolve(secret) };
  }
}

const TOLD = {
  identity_invalid: 'The token is not one that this app accepts.',
  identity_expired: 'The token has expired.',
} as const;

async function verifyToken(token: string, source: KeySource, settings: AppIdentity): Promise<JWTPayload> {
  const options: JWTVerifyOptions = {
    algorithms: settings.algorithms,
    clockTolerance: CLOCK_TOLERANCE,
    requiredClaims: ['exp'],
    ...(settings.issuer !== null && { issuer: settings.issuer }),
    ...(settings.audience !== null && { audience: settings.audience }),
  };
  try {
    return await verifyWith(source, token, options);
  } catch (error) {
    // A token that names its key was looked up anew already, if that was missing.
    const mayBeNew =
      error instanceof errors.JWSSignatureVerificationFailed &&
      decodeProtectedHeader(token).kid === undefined;
    if (!mayBeNew || !(await source.learnMore?.())) throw asTokenError(error);
  }
  try {
    return await verifyWith(source, token, options);
  } catch (error) {
    throw asTokenError(error);
  }
}

async function verifyWith(source: KeySource, token: string, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, async (...asked) => source.key(...asked), options)).payload;
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) return verifyWithEach(token, error, options);
    throw error;
  }
}

/** A token that names no key is tried with every key that fits its algorithm. */
async function verifyWithEach(
  token: string,
  keys: errors.JWKSMultipleMatchingKeys,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      // A key that cannot be used, such as one that is too short, is no reason not to try the others.
      const next = error instanceof errors.JWSSignatureVerificationFailed || isUnusableKey(error);
      if (!next) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}

/** What jose and the Web Crypto API throw at a key that is too short, or malformed. */
function isUnusableKey(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof DOMException;
}

function asTokenError(error: unknown): unknown {
  if (error instanceof KeysUnavailableError) return error;
  if (error instanceof errors.JWTExpired) {
    return new TokenError('identity_expired', 'the token has expired', { cause: error });
  }
  if (error instanceof errors.JOSEError) {
    return new TokenError('identity_invalid', error.message, { cause: error });
  }
  if (isUnusableKey(error)) {
    return new TokenError('identity_invalid', `its key cannot be used: ${error.message}`, { cause: error });
  }
  return error;
}

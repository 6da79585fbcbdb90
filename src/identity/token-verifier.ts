import { hash } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
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
import type { AppIdentity } from '../apps/app-identity.entity.js';
import { SEALING_KEYS } from '../apps/app-registry.js';
import { isId } from '../problems/ids.js';
import { hmacSecretPurpose, open } from '../apps/sealing.js';
import type { SigningApp } from '../apps/signing-app.js';
import { Clock, type ClockReading } from '../config/clock.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { ProblemError } from '../problems/problem-error.js';
import { clientIdIn } from './client-id-claim.js';
import { KeysUnavailableError, RemoteKeys } from './remote-keys.js';

/** Seconds by which the issuer's clock and this one may differ. */
const CLOCK_TOLERANCE = 30;

/** Milliseconds for which a verified token is cached, unless it expires before: so long a withdrawn key may still count. */
const MAX_TOKEN_AGE = 600_000;

/** Verified tokens that are cached, over all apps: a digest and a client id each, some 300 bytes. */
const MAX_TOKENS = 50_000;

/** Issuers whose keys are cached. */
const MAX_ISSUERS = 1_000;

/** Where the keys of one app come from. */
interface KeySource {
  key(...token: Parameters<JWTVerifyGetKey>): Promise<CryptoKey | Uint8Array>;
  /** A mark of this moment, for `learnMore`. */
  readonly mark?: number;
  /** Waits for keys that are newer than a mark. @returns whether there may be others now. */
  learnMore?(since: number): Promise<boolean>;
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

/** The client that a token is for, and until when, in seconds since 1970. */
export interface VerifiedToken {
  readonly clientId: string;
  readonly expires: number;
  readonly verifiedAt: ClockReading;
}

/** What is made of an app's settings once, for as long as they are the same. */
interface Verification {
  /** Of the settings: part of a cached token's key, so that other settings do not find it. */
  readonly digest: string;
  readonly keys: KeySource;
}

/** Verifies bearer tokens as each app's identity settings ask. */
@Injectable()
export class TokenVerifier {
  private readonly logger = new Logger('Identity');
  private readonly tokens = new LRUCache<string, VerifiedToken>({ max: MAX_TOKENS });
  private readonly issuers = new LRUCache<string, RemoteKeys>({ max: MAX_ISSUERS });
  private readonly verifications = new WeakMap<AppIdentity, Verification>();

  constructor(
    @Inject(SEALING_KEYS) private readonly sealingKeys: SealingKeys,
    private readonly clock: Clock,
  ) {}

  /**
   * The client that a token is for: at once when the token was verified before.
   *
   * @throws {ProblemError} `identity_invalid`, `identity_expired`; `unavailable` when the app's keys cannot be had.
   */
  clientId({ appId, identitySettings }: SigningApp, token: string): string | Promise<string> {
    if (identitySettings === null) {
      throw asProblem(new Error(`App ${appId} asks for tokens, and has no settings to verify them by`));
    }
    try {
      const verified = this.verify(identitySettings, token);
      if (!(verified instanceof Promise)) return verified.clientId;
      return verified.then(
        ({ clientId }) => clientId,
        (error: unknown) => {
          throw asProblem(error);
        },
      );
    } catch (error) {
      throw asProblem(error);
    }
  }

  /** @throws {TokenError} or any other error when the token cannot be judged. */
  verify(settings: AppIdentity, token: string): VerifiedToken | Promise<VerifiedToken> {
    const { digest, keys } = this.verificationBy(settings);
    const key = hash('sha256', `${digest} ${token}`, 'base64');
    const known = this.tokens.get(key);
    if (
      known !== undefined &&
      known.expires + CLOCK_TOLERANCE > Date.now() / 1000 &&
      this.clock.elapsedSince(known.verifiedAt) < MAX_TOKEN_AGE
    ) {
      return known;
    }
    return this.verifyAnew(settings, keys, token, key);
  }

  private async verifyAnew(
    settings: AppIdentity,
    keys: KeySource,
    token: string,
    key: string,
  ): Promise<VerifiedToken> {
    const claims = await verifyToken(token, keys, settings);
    const clientId = clientIdIn(claims, settings.clientIdClaim);
    const { exp = Infinity } = claims;
    if (!Number.isFinite(exp)) throw new TokenError('identity_invalid', 'the claim "exp" is no time');
    if (clientId === undefined) {
      throw new TokenError(
        'identity_invalid',
        `the claim "${settings.clientIdClaim}" is missing, or no text or whole number`,
      );
    }
    const verified = { clientId, expires: exp, verifiedAt: this.clock.read() };
    // What is no id, and may be long, is no client's, and need not be cached.
    if (isId(clientId)) this.tokens.set(key, verified);
    return verified;
  }

  private verificationBy(settings: AppIdentity): Verification {
    let verification = this.verifications.get(settings);
    if (verification === undefined) {
      verification = {
        digest: hash('sha256', JSON.stringify(settings), 'base64'),
        keys: this.keysBy(settings),
      };
      this.verifications.set(settings, verification);
    }
    return verification;
  }

  private keysBy({ appId, jwksUri, jwks, sealedHmacSecret }: AppIdentity): KeySource {
    if (jwksUri !== null) return this.keysOfIssuer(jwksUri);
    if (jwks !== null) return { key: createLocalJWKSet(jwks) };
    if (sealedHmacSecret === null) throw new Error(`App ${appId} has no key to verify tokens by`);
    const secret = new TextEncoder().encode(
      open(sealedHmacSecret, hmacSecretPurpose(appId), this.sealingKeys),
    );
    return { key: () => Promise.resolve(secret) };
  }

  /** Shared by the apps of one issuer. */
  private keysOfIssuer(uri: string): RemoteKeys {
    let keys = this.issuers.get(uri);
    if (keys === undefined) {
      const warn = (message: string): void => {
        this.logger.warn(message);
      };
      keys = new RemoteKeys(uri, warn, this.clock);
      this.issuers.set(uri, keys);
    }
    return keys;
  }
}

function asProblem(error: unknown): ProblemError {
  if (error instanceof TokenError) return new ProblemError(error.code, DETAILS[error.code]);
  return new ProblemError('unavailable', "The app's tokens cannot be verified right now.", { cause: error });
}

const DETAILS = {
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
  const since = source.mark ?? 0;
  try {
    return await verifyWith(source, token, options);
  } catch (error) {
    // A token that names its key was looked up anew already, if that was missing.
    const mayBeNew =
      error instanceof errors.JWSSignatureVerificationFailed &&
      decodeProtectedHeader(token).kid === undefined;
    if (!mayBeNew || !(await source.learnMore?.(since))) throw asTokenError(error);
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

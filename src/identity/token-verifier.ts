import { hash } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose';
import { LRUCache } from 'lru-cache';
import type { AppIdentity } from '../apps/app-identity.entity.js';
import { SEALING_KEYS } from '../apps/app-registry.js';
import { hmacSecretPurpose, open } from '../apps/sealing.js';
import type { SigningApp } from '../apps/signing-app.js';
import { Clock, type ClockReading } from '../config/clock.js';
import type { SealingKeys } from '../config/secrets-key.js';
import { isId } from '../problems/ids.js';
import { ProblemError } from '../problems/problem-error.js';
import { RemoteKeys } from './remote-keys.js';
import { CLOCK_TOLERANCE, TokenError, type VerifiedToken, verifyToken } from './verify-token.js';

/** Milliseconds for which a verified token is cached, and so for which a withdrawn key may still count. */
const MAX_TOKEN_AGE = 600_000;
/** Verified tokens that are cached, over all apps: a digest and a client id each, some 300 bytes. */
const MAX_TOKENS = 50_000;
/** Issuers whose keys are cached. */
const MAX_ISSUERS = 1_000;

type CachedToken = VerifiedToken & { readonly verifiedAt: ClockReading };

/** An app's settings and what is derived from them once. The digest is part of a token's key in the cache. */
type Verification = Readonly<{ settings: AppIdentity; digest: string; keys: RemoteKeys | JWTVerifyGetKey }>;

/** Verifies bearer tokens by each app's identity settings. */
@Injectable()
export class TokenVerifier {
  /** How often a token was cached, and what became of those that were not: verified, refused, or impossible to tell. */
  readonly counts = { cached: 0, verified: 0, refused: 0, failed: 0 };
  /** Fetches of issuers' keys. */
  readonly fetches = { succeeded: 0, failed: 0 };
  private readonly logger = new Logger('Identity');
  private readonly tokens = new LRUCache<string, CachedToken>({ max: MAX_TOKENS });
  private readonly verifications = new WeakMap<AppIdentity, Verification>();
  /** By URI: the apps of one issuer share its keys. */
  private readonly issuers = new LRUCache<string, RemoteKeys>({
    max: MAX_ISSUERS,
    memoMethod: (uri) => new RemoteKeys(uri, this.logger.warn.bind(this.logger), this.clock, this.fetches),
  });

  constructor(
    @Inject(SEALING_KEYS) private readonly sealingKeys: SealingKeys,
    private readonly clock: Clock,
  ) {}

  /** How many verified tokens are cached. */
  get size(): number {
    return this.tokens.size;
  }

  /**
   * A token's client, and its times; synchronous when the token is cached.
   *
   * @throws {ProblemError} `identity_invalid`, `identity_expired`; `unavailable` when the app's keys are.
   */
  verifyFor({ appId, identitySettings }: SigningApp, token: string): VerifiedToken | Promise<VerifiedToken> {
    try {
      if (identitySettings === null) throw new Error(`App ${appId} asks for tokens, but has no settings`);
      const verified = this.verify(identitySettings, token);
      return verified instanceof Promise ? verified.catch(throwAsProblem) : verified;
    } catch (error) {
      return throwAsProblem(error);
    }
  }

  /** @throws {TokenError} when the token is not valid, and any other error when that cannot be determined. */
  verify(settings: AppIdentity, token: string): VerifiedToken | Promise<VerifiedToken> {
    const verification = this.verificationBy(settings);
    const key = hash('sha256', `${verification.digest} ${token}`, 'base64');
    const cached = this.tokens.get(key);
    if (
      cached !== undefined &&
      cached.expires + CLOCK_TOLERANCE > Date.now() / 1000 &&
      // A clock that was set back may not have reached its "nbf".
      cached.verifiedAt.wall <= this.clock.read().wall &&
      this.clock.elapsedSince(cached.verifiedAt) < MAX_TOKEN_AGE
    ) {
      this.counts.cached++;
      return cached;
    }
    return this.verifyUncached(verification, token, key);
  }

  private async verifyUncached(by: Verification, token: string, key: string): Promise<VerifiedToken> {
    const { clientId, expires, issuedAt } = await this.counted(verifyToken(token, by.keys, by.settings));
    const verified = { clientId, expires, issuedAt, verifiedAt: this.clock.read() };
    // Anything else matches no client, and may be long.
    if (isId(clientId)) this.tokens.set(key, verified);
    return verified;
  }

  private async counted(verifying: Promise<VerifiedToken>): Promise<VerifiedToken> {
    try {
      const verified = await verifying;
      this.counts.verified++;
      return verified;
    } catch (error) {
      this.counts[error instanceof TokenError ? 'refused' : 'failed']++;
      throw error;
    }
  }

  private verificationBy(settings: AppIdentity): Verification {
    let verification = this.verifications.get(settings);
    if (verification === undefined) {
      const digest = hash('sha256', JSON.stringify(settings), 'base64');
      verification = { settings, digest, keys: this.keysBy(settings) };
      this.verifications.set(settings, verification);
    }
    return verification;
  }

  private keysBy({ appId, jwksUri, jwks, sealedHmacSecret }: AppIdentity): RemoteKeys | JWTVerifyGetKey {
    if (jwksUri !== null) return this.issuers.memo(jwksUri);
    if (jwks !== null) return createLocalJWKSet(jwks);
    if (sealedHmacSecret === null) throw new Error(`App ${appId} has no key to verify tokens with`);
    const secret = open(sealedHmacSecret, hmacSecretPurpose(appId), this.sealingKeys);
    return () => secret;
  }
}

function throwAsProblem(error: unknown): never {
  if (error instanceof TokenError) throw new ProblemError(error.code, error.detail);
  throw new ProblemError('unavailable', "The app's tokens cannot be verified right now.", { cause: error });
}

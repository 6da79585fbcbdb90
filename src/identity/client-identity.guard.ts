import type { IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppRegistry } from '../apps/app-registry.js';
import type { SigningApp } from '../apps/signing-app.js';
import { before } from '../problems/deadline.js';
import { ProblemError } from '../problems/problem-error.js';
import { TokenVerifier } from './token-verifier.js';
import type { VerifiedToken } from './verify-token.js';

/** Longer tokens are rejected unparsed. Entra ID puts up to 200 groups into one: 12 KiB. */
const MAX_TOKEN_BYTES = 32 * 1024;
/** RFC 6750, section 2.1. The scheme's case does not matter (RFC 9110, section 11.1). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** An HTTP request that names an app and a client. */
export interface IdentifiedRequest extends FastifyRequest {
  params: { readonly app_id?: string | undefined; readonly client_id?: string | undefined };
  /** Set by `ClientIdentityGuard`. */
  app: SigningApp;
  /** Set by it, too; undefined where the app asks for none. */
  token?: VerifiedToken;
}

/** Requires a registered app and, unless the app is open to everyone, a token of the client in the path. */
@Injectable()
export class ClientIdentityGuard implements CanActivate {
  constructor(
    private readonly registry: AppRegistry,
    private readonly verifier: TokenVerifier,
  ) {}

  /** Synchronous when the app and the token are cached: a promise would cost more than the check. */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<IdentifiedRequest>();
    const identified = this.identify(request, this.registry.find(request.params.app_id ?? ''));
    if (!(identified instanceof Promise)) return identified;
    return before(request.deadline, 'proof of identity', identified);
  }

  private identify(request: IdentifiedRequest, app: SigningApp | Promise<SigningApp>): boolean | Promise<boolean> {
    if (app instanceof Promise) return app.then((found) => this.identify(request, found));
    request.app = app;
    if (app.identity === 'none') return true;
    const token = this.verifier.verifyFor(app, bearerToken(request.raw));
    return token instanceof Promise ? this.identifyLater(request, app, token) : requireClient(request, token);
  }

  /** The app may change while the issuer's keys are awaited: then the token is verified again. */
  private async identifyLater(
    request: IdentifiedRequest,
    app: SigningApp,
    token: Promise<VerifiedToken>,
  ): Promise<boolean> {
    await Promise.allSettled([token]);
    const current = await this.registry.find(app.appId);
    return current === app ? requireClient(request, await token) : this.identify(request, current);
  }
}

/**
 * The token of a request's `Authorization: Bearer …`.
 *
 * @throws {ProblemError} `identity_required` without a bearer token; `identity_invalid` when the header is repeated, or the token is
 *   malformed or longer than 32 KiB.
 */
export function bearerToken(request: Pick<IncomingMessage, 'headers' | 'rawHeaders'>): string {
  const { rawHeaders } = request;
  const { authorization } = request.headers;
  // Node keeps the first, a proxy may have checked the last.
  if (rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization').length > 1) {
    throw new ProblemError('identity_invalid', 'There is more than one Authorization header.');
  }
  if (authorization === undefined || !/^bearer(?: |$)/i.test(authorization)) {
    throw new ProblemError('identity_required', 'The app asks for "Authorization: Bearer" with a token.');
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token !== undefined && token.length <= MAX_TOKEN_BYTES) return token;
  throw new ProblemError('identity_invalid', `The token is malformed or exceeds ${MAX_TOKEN_BYTES} bytes.`);
}

/** Ids are compared code unit by code unit, without case folding or Unicode normalisation. */
function requireClient(request: IdentifiedRequest, token: VerifiedToken): true {
  request.token = token;
  if (token.clientId === request.params.client_id) return true;
  throw new ProblemError('identity_mismatch', 'The token is for another client than the one in the path.');
}

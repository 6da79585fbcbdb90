import type { IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppRegistry } from '../apps/app-registry.js';
import type { SigningApp } from '../apps/signing-app.js';
import { before } from '../problems/deadline.js';
import { ProblemError } from '../problems/problem-error.js';
import { TokenVerifier } from './token-verifier.js';

/** No honest token comes near it; the rest is not worth the time to look at. */
const MAX_TOKEN_BYTES = 8 * 1024;

/** RFC 6750, section 2.1. The scheme's case does not matter (RFC 9110, section 11.1). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** An HTTP request that names an app and a client. */
export interface IdentifiedRequest extends FastifyRequest {
  params: { readonly app_id?: string | undefined; readonly client_id?: string | undefined };
  /** When it is refused if it is not answered yet, by `performance.now()`. */
  deadline: number;
  /** Set by `ClientIdentityGuard`: the app, whose proof of identity the caller has given. */
  app: SigningApp;
}

/** Lets a request through when its app is registered, and the caller has proven to be the client or the app asks for no proof. */
@Injectable()
export class ClientIdentityGuard implements CanActivate {
  constructor(
    private readonly registry: AppRegistry,
    private readonly verifier: TokenVerifier,
  ) {}

  /** Answers at once when the app and the token are cached: a promise would cost more than the check. */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<IdentifiedRequest>();
    const app = this.registry.find(request.params.app_id ?? '');
    const identified =
      app instanceof Promise
        ? app.then((found) => this.identify(request, found))
        : this.identify(request, app);
    return identified instanceof Promise
      ? before(request.deadline, 'proof of identity', identified)
      : identified;
  }

  private identify(request: IdentifiedRequest, app: SigningApp): boolean | Promise<boolean> {
    request.app = app;
    if (app.identity === 'none') return true;
    const proven = this.verifier.clientId(app, bearerToken(request.raw));
    return proven instanceof Promise
      ? this.identifyLater(request, app, proven)
      : requireClient(request, proven);
  }

  /** What had to wait, for the issuer's keys perhaps, is concluded by the app as it is then. */
  private async identifyLater(
    request: IdentifiedRequest,
    app: SigningApp,
    proving: Promise<string>,
  ): Promise<boolean> {
    const [outcome] = await Promise.allSettled([proving]);
    const current = await this.registry.find(app.appId);
    if (current !== app) return this.identify(request, current);
    if (outcome.status === 'rejected') throw outcome.reason;
    return requireClient(request, outcome.value);
  }
}

/**
 * The token of a request's `Authorization: Bearer …`.
 *
 * @throws {ProblemError} `identity_required` without a bearer token; `identity_invalid` when there is more than one header, or the token is malformed
 *   or too long.
 */
export function bearerToken({
  headers,
  rawHeaders,
}: Pick<IncomingMessage, 'headers' | 'rawHeaders'>): string {
  // Node keeps the first of several, another server in the way may have looked at the last.
  if (rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization').length > 1) {
    throw new ProblemError('identity_invalid', 'There is more than one Authorization header.');
  }
  const { authorization } = headers;
  if (authorization === undefined || !/^bearer(?: |$)/i.test(authorization)) {
    throw new ProblemError(
      'identity_required',
      'The app asks for "Authorization: Bearer" with a token of the client.',
    );
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined || token.length > MAX_TOKEN_BYTES) {
    throw new ProblemError(
      'identity_invalid',
      `The token is malformed, or longer than ${MAX_TOKEN_BYTES} bytes.`,
    );
  }
  return token;
}

/** Ids are compared as given: neither case nor Unicode form is evened out. */
function requireClient({ params }: IdentifiedRequest, proven: string): true {
  if (proven === params.client_id) return true;
  throw new ProblemError('identity_mismatch', 'The token is for another client than the one in the path.');
}

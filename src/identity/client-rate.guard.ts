import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { RateLimit } from '../problems/rate-limit.js';
import type { IdentifiedRequest } from './client-identity.guard.js';

/**
 * Limits the requests of each client of an app, over all actions. It comes after the proof of identity, so that a stranger cannot use up a
 * client's share; where an app asks for no proof, anyone could, so there it limits nobody.
 */
@Injectable()
export class ClientRateGuard implements CanActivate {
  private readonly limit: RateLimit | undefined;

  constructor({ rateLimitPerMinute }: Settings) {
    if (rateLimitPerMinute > 0) this.limit = new RateLimit('client', rateLimitPerMinute);
  }

  canActivate(context: ExecutionContext): boolean {
    const { app, params } = context.switchToHttp().getRequest<IdentifiedRequest>();
    if (this.limit === undefined || app.identity === 'none') return true;
    // No id contains ":".
    const refusal = this.limit.refusal(`${app.appId}:${params.client_id ?? ''}`);
    if (refusal !== undefined) throw refusal;
    return true;
  }
}

import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { AppGuard, type AppRequest } from '../apps/app.guard.js';
import { msSince, now } from '../database/moment.js';
import { Problem } from '../operations/problem.js';
import { bearerToken } from './bearer-token.js';
import { TokenVerifier } from './token-verifier.js';

/** Milliseconds after which a proof was kept waiting by the issuer, so that what was looked up before may be too old to sign by. */
const KEPT_WAITING = 100;

/** Lets a request through when the caller has proven to be the client it names, or the app asks for no proof. */
@Injectable()
export class ClientIdentityGuard implements CanActivate {
  constructor(
    private readonly verifier: TokenVerifier,
    private readonly apps: AppGuard,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<AppRequest>();
    return request.app.identity === 'none' || this.isClient(request, context);
  }

  private async isClient(request: AppRequest, context: ExecutionContext): Promise<boolean> {
    const began = now();
    try {
      await this.requireClient(request);
      if (msSince(began) < KEPT_WAITING) return true;
    } catch (error) {
      const judged = error instanceof Problem && error.code !== 'unavailable';
      if (!judged || msSince(began) < KEPT_WAITING) throw error;
    }
    // The issuer's keys are at hand by now, so that judging by the settings of this moment takes no time.
    await this.apps.canActivate(context);
    await this.requireClient(request);
    return true;
  }

  private async requireClient({ app, params, raw }: AppRequest): Promise<void> {
    const clientId = await this.verifier.clientId(app.appId, bearerToken(raw));
    // Compared as given: neither case nor Unicode form is evened out.
    if (clientId !== params.client_id) {
      throw new Problem('identity_mismatch', 'The token is for another client than the one in the path.');
    }
  }
}

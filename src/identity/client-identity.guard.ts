import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { AppRequest } from '../apps/app.guard.js';
import { Problem } from '../operations/problem.js';
import { bearerToken } from './bearer-token.js';
import { TokenVerifier } from './token-verifier.js';

/** Lets a request through when the caller has proven to be the client it names, or the app asks for no proof. */
@Injectable()
export class ClientIdentityGuard implements CanActivate {
  constructor(private readonly verifier: TokenVerifier) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<AppRequest>();
    return request.app.identity === 'none' || this.isClient(request);
  }

  private async isClient({ app, params, raw }: AppRequest): Promise<boolean> {
    const clientId = await this.verifier.clientId(app.appId, bearerToken(raw));
    // Compared as given: neither case nor Unicode form is evened out.
    if (clientId !== params.client_id) {
      throw new Problem('identity_mismatch', 'The token is for another client than the one in the path.');
    }
    return true;
  }
}

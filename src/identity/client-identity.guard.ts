import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { AppRequest } from '../apps/app.guard.js';
import { Problem } from '../operations/problem.js';

/**
 * Lets a request through when the caller is the client it names, as far as the app asks for proof.
 * No proof can be verified yet, so an app that asks for any gets no signature.
 */
@Injectable()
export class ClientIdentityGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { app } = context.switchToHttp().getRequest<AppRequest>();
    if (app.identity !== 'none') {
      throw new Problem(
        'identity_required',
        'The app asks for proof of identity, which cannot be verified yet.',
      );
    }
    return true;
  }
}

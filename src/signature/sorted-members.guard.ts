import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { IdentifiedRequest } from '../identity/client-identity.guard.js';
import type { ActionName } from './actions.js';
import { parseSignatureRequest, type PathParams, type SignatureRequest } from './signature-request.js';

/** An HTTP request on its way through the guards of a signature route. */
export interface SignatureHttpRequest extends IdentifiedRequest {
  params: PathParams;
  /** Set by `SortedMembersGuard`. */
  signatureRequest: SignatureRequest;
}

/** Lets a request through when its ids and its format are valid, and its member list is in order. Nothing is looked up for it. */
@Injectable()
export class SortedMembersGuard implements CanActivate {
  constructor(private readonly action: ActionName) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<SignatureHttpRequest>();
    request.signatureRequest = parseSignatureRequest(this.action, request.params, request.query);
    return true;
  }
}

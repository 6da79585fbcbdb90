import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Refusal } from '../conversations/decision.js';
import type { IdentifiedRequest } from '../identity/client-identity.guard.js';
import type { ActionName } from './actions.js';
import { parseSignatureRequest, type PathParams, type SignatureRequest } from './signature-request.js';

/** An HTTP request on a signature route, as its controller gets it. */
export interface SignatureHttpRequest extends IdentifiedRequest {
  params: PathParams;
  /** Set by `SortedMembersGuard`. */
  signatureRequest: SignatureRequest;
  /** Set with the answer: what shadow mode kept back. */
  shadowRefusal?: Refusal | undefined;
}

/** Checks the shape of a request, without any look-up: its ids, the order of its member list, and its format. */
@Injectable()
export class SortedMembersGuard implements CanActivate {
  constructor(private readonly action: ActionName) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<SignatureHttpRequest>();
    request.signatureRequest = parseSignatureRequest(this.action, request.params, request.query);
    return true;
  }
}

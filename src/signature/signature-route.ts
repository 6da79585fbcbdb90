import { applyDecorators, Get, Header, UseGuards } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ClientIdentityGuard } from '../identity/client-identity.guard.js';
import { ClientRateGuard } from '../identity/client-rate.guard.js';
import { type Action, ACTIONS, type ActionName, type Parameter } from './actions.js';
import { SignatureDocument } from './signature-document.js';
import type { SignatureService } from './signature.service.js';
import { type SignatureHttpRequest, SortedMembersGuard } from './sorted-members.guard.js';

/**
 * A route that signs one action: its path, its checks in their order, and its page in the API document. Where no list is optional,
 * the last parameter may be absent, which counts as empty: `/login/app` is `invalid_client_id`.
 *
 * @param idWithoutMembers makes it the route that leaves an optional list of members out, with this `operationId`.
 */
export function SignatureRoute(name: ActionName, summary: string, idWithoutMembers?: string): MethodDecorator {
  const { conversation, members }: Action = ACTIONS[name];
  const ids: Parameter[] = ['app_id', 'client_id'];
  if (conversation) ids.push('conversion_id');
  if (members !== 'none' && idWithoutMembers === undefined) ids.push('sorted_member_ids');
  const paths = members === 'may be empty' ? [ids] : [ids, ids.slice(0, -1)];
  return applyDecorators(
    // The API document takes the first path.
    Get(paths.map((path) => path.map((id) => `:${id}`).join('/'))),
    UseGuards(new SortedMembersGuard(name), ClientIdentityGuard, ClientRateGuard),
    Header('Content-Type', 'application/json; charset=utf-8'),
    Header('Cache-Control', 'no-store'),
    SignatureDocument(name, ids, { operationId: idWithoutMembers ?? name, summary }),
  );
}

/** Signs a request that has passed the guards. @returns the body of the answer. */
export async function answer(
  signatures: SignatureService,
  request: SignatureHttpRequest,
  reply: FastifyReply,
): Promise<string> {
  const { app, signatureRequest, token, deadline } = request;
  const { body, keyVersion, shadowRefusal } = await signatures.sign(app, signatureRequest, token, deadline);
  request.shadowRefusal = shadowRefusal;
  void reply.header('Signature-Key-Version', keyVersion);
  return body;
}

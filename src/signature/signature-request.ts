import type { AppRequest } from '../apps/app.guard.js';
import { isId, idFault, requireId } from '../apps/ids.js';
import { Problem } from '../operations/problem.js';
import { ACTIONS, type ActionName } from './actions.js';
import { splitMembers } from './members.js';

/** What a caller asks to have signed, every id checked. */
export interface Asked {
  readonly action: ActionName;
  readonly appId: string;
  readonly clientId: string;
  /** The empty string where the action names no conversation. */
  readonly conversationId: string;
  readonly members: readonly string[];
  /** Whether the answer goes straight into an SDK: `?format=sdk`. */
  readonly forSdk: boolean;
}

/** The parts of a request's path, decoded; what is absent is judged like the empty string. */
export interface PathParams {
  readonly app_id?: string | undefined;
  readonly client_id?: string | undefined;
  readonly conversion_id?: string | undefined;
  readonly sorted_member_ids?: string | undefined;
}

/** A request on its way through the guards of a signature route. */
export interface SignatureHttpRequest extends AppRequest {
  params: PathParams;
  asked: Asked;
}

/**
 * @param query the parameters after "?"; only `format` means something.
 * @throws {Problem} `invalid_app_id`, `invalid_client_id`, `invalid_conversion_id`, `invalid_member_id`, `invalid_format`
 */
export function readAsked(action: ActionName, params: PathParams, query: unknown): Asked {
  const { app_id = '', client_id = '', conversion_id = '', sorted_member_ids = '' } = params;
  requireId(app_id, 'invalid_app_id', 'app id');
  requireId(client_id, 'invalid_client_id', 'client id');
  if (ACTIONS[action].conversation) requireId(conversion_id, 'invalid_conversion_id', 'conversation id');
  const members = splitMembers(sorted_member_ids);
  const bad = members.findIndex((member) => !isId(member));
  if (bad >= 0) {
    throw new Problem('invalid_member_id', `Member id ${bad + 1} ${idFault(members[bad] ?? '')}.`);
  }
  return {
    action,
    appId: app_id,
    clientId: client_id,
    conversationId: conversion_id,
    members,
    forSdk: readFormat(query) === 'sdk',
  };
}

function readFormat(query: unknown): 'sdk' | undefined {
  const { format } = query as { format?: string | string[] };
  if (format === undefined || format === 'sdk') return format;
  throw new Problem('invalid_format', 'The only value of the parameter "format" is "sdk", given once.');
}

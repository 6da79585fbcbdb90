import { isId, idFault, requireId } from '../problems/ids.js';
import type { Operation } from '../conversations/decision.js';
import { ProblemError } from '../problems/problem-error.js';
import { ACTIONS, type ActionName } from './actions.js';

/** What a caller asks to have signed, its shape checked: the ids, the order of its list, and the format. */
export interface SignatureRequest extends Operation {
  readonly action: ActionName;
  /** As it stands in the path, decoded; the empty string where no members are named. */
  readonly sortedMemberIds: string;
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

/**
 * Reads a request without looking anything up.
 *
 * @param query the parameters after "?"; only `format` means something.
 * @throws {ProblemError} `invalid_app_id`, `invalid_client_id`, `invalid_conversion_id`, `invalid_member_id`, `invalid_format`,
 *   `members_required`, `members_not_sorted`
 */
export function parseSignatureRequest(action: ActionName, params: PathParams, query: unknown): SignatureRequest {
  const { app_id = '', client_id = '', conversion_id = '', sorted_member_ids = '' } = params;
  requireId(app_id, 'invalid_app_id', 'app id');
  requireId(client_id, 'invalid_client_id', 'client id');
  if (ACTIONS[action].conversation) requireId(conversion_id, 'invalid_conversion_id', 'conversation id');
  const members = splitMembers(sorted_member_ids);
  requireMemberIds(members);
  const forSdk = isForSdk(query);
  if (members.length === 0 && ACTIONS[action].members === 'at least one') {
    throw new ProblemError(
      'members_required',
      `Signing "${action}" takes at least one member id after the conversation id.`,
    );
  }
  requireSorted(members);
  return {
    action,
    appId: app_id,
    clientId: client_id,
    conversationId: conversion_id,
    members,
    sortedMemberIds: sorted_member_ids,
    forSdk,
  };
}

/** Splits `sorted_member_ids`. Only the empty text is the empty list; "a:" has a second, empty id. */
export function splitMembers(sortedMemberIds: string): readonly string[] {
  return sortedMemberIds === '' ? [] : sortedMemberIds.split(':');
}

function requireMemberIds(members: readonly string[]): void {
  const bad = members.findIndex((member) => !isId(member));
  if (bad >= 0) {
    throw new ProblemError('invalid_member_id', `Member id ${bad + 1} ${idFault(members[bad] ?? '')}.`);
  }
}

/** Whether the ids ascend by UTF-16 code unit, as JavaScript's `.sort()` leaves them; equal neighbours are in order. */
export function isSorted(members: readonly string[]): boolean {
  return members.every((member, i) => i === 0 || member >= (members[i - 1] ?? ''));
}

function requireSorted(members: readonly string[]): void {
  if (isSorted(members)) return;
  // The IM server signs the order it was sent, and the SDK sends what it sorted: sorting here would only hide the mistake.
  const order = members.toSorted().join(':');
  throw new ProblemError('members_not_sorted', `The member ids must ascend by UTF-16 code unit: ${order}`);
}

function isForSdk(query: unknown): boolean {
  const { format } = query as { format?: string | string[] };
  if (format === undefined || format === 'sdk') return format === 'sdk';
  throw new ProblemError('invalid_format', 'The only value of the parameter "format" is "sdk", given once.');
}

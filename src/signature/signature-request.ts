import { isId, idFault, requireId } from '../problems/ids.js';
import type { Operation } from '../conversations/decision.js';
import { ProblemError } from '../problems/problem-error.js';
import { ACTIONS, type ActionName, type Parameter } from './actions.js';

/** A request whose shape is valid: the ids, the order of the member list, and the format. */
export interface SignatureRequest extends Operation {
  readonly action: ActionName;
  /** As in the path, decoded; empty without members. */
  readonly sortedMemberIds: string;
  /** `?format=sdk`: the answer can be returned from an SDK's signature factory unchanged. */
  readonly forSdk: boolean;
}

/** The parameters of a path, decoded; an absent one counts as empty. */
export type PathParams = Readonly<Partial<Record<Parameter, string | undefined>>>;

/**
 * Parses a request, without any look-up.
 * @param query the parameters after "?"; all but `format` are ignored.
 * @throws {ProblemError} `invalid_app_id`, `invalid_client_id`, `invalid_conversion_id`, `invalid_member_id`, `invalid_format`,
 *   `members_required`, `members_not_sorted`
 */
export function parseSignatureRequest(action: ActionName, params: PathParams, query: unknown): SignatureRequest {
  const { sorted_member_ids: sortedMemberIds = '' } = params;
  const ids = requireIds(params, ACTIONS[action].conversation);
  const { members } = ids;
  const { format } = query as { format?: string | string[] };
  if (format !== undefined && format !== 'sdk') {
    throw new ProblemError('invalid_format', 'The only value of the parameter "format" is "sdk", given once.');
  }
  if (members.length === 0 && ACTIONS[action].members === 'at least one') {
    throw new ProblemError('members_required', 'No member id follows the conversation id.');
  }
  if (!isSorted(members)) {
    // Not sorted for the caller: the answer signs exactly the list in the path.
    const order = members.toSorted().join(':');
    throw new ProblemError('members_not_sorted', `The member ids must ascend by UTF-16 code unit: ${order}`);
  }
  return { action, ...ids, sortedMemberIds, forSdk: format === 'sdk' };
}

/**
 * The ids of a request.
 *
 * @param inConversation whether `conversion_id` is one of them.
 * @throws {ProblemError} `invalid_app_id`, `invalid_client_id`, `invalid_conversion_id`, `invalid_member_id`
 */
export function requireIds(params: PathParams, inConversation: boolean): Omit<Operation, 'action'> {
  const { app_id: appId = '', client_id: clientId = '', conversion_id: conversationId = '' } = params;
  requireId(appId, 'invalid_app_id', 'app id');
  requireId(clientId, 'invalid_client_id', 'client id');
  if (inConversation) requireId(conversationId, 'invalid_conversion_id', 'conversation id');
  const members = splitMembers(params.sorted_member_ids ?? '');
  const bad = members.findIndex((member) => !isId(member));
  if (bad >= 0) throw new ProblemError('invalid_member_id', `Member id ${bad + 1} ${idFault(members[bad] ?? '')}.`);
  return { appId, clientId, conversationId, members };
}

/** The ids in `sorted_member_ids`. Only the empty text is the empty list; "a:" has a second, empty id. */
export function splitMembers(sortedMemberIds: string): readonly string[] {
  return sortedMemberIds === '' ? [] : sortedMemberIds.split(':');
}

/** Whether the ids ascend by UTF-16 code unit, as JavaScript's `.sort()` leaves them; equal neighbours are in order. */
export function isSorted(members: readonly string[]): boolean {
  return members.every((member, i) => i === 0 || member >= (members[i - 1] ?? ''));
}

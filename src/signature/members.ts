import { Problem } from '../operations/problem.js';
import { ACTIONS, type ActionName } from './actions.js';

/** Splits `sorted_member_ids`. Only the empty text is the empty list; "a:" has a second, empty id, which is refused later. */
export function splitMembers(sortedMemberIds: string): readonly string[] {
  return sortedMemberIds === '' ? [] : sortedMemberIds.split(':');
}

/** Whether the ids ascend by UTF-16 code unit, as JavaScript's `.sort()` leaves them; equal neighbours are in order. */
export function isSorted(members: readonly string[]): boolean {
  return members.every((member, i) => i === 0 || member >= (members[i - 1] ?? ''));
}

/** @throws {Problem} `members_required`, `too_many_members`, `members_not_sorted` */
export function requireMembers(action: ActionName, members: readonly string[], maxMembers: number): void {
  if (members.length === 0 && ACTIONS[action].members === 'at least one') {
    throw new Problem(
      'members_required',
      `Signing "${action}" takes at least one member id after the conversation id.`,
    );
  }
  if (members.length > maxMembers) {
    throw new Problem(
      'too_many_members',
      `There are ${members.length} member ids; the app allows ${maxMembers}.`,
    );
  }
  if (!isSorted(members)) {
    // The IM server signs the order it was sent, and the SDK sends what it sorted: sorting here would only hide the mistake.
    const order = members.toSorted().join(':');
    throw new Problem('members_not_sorted', `The member ids must ascend by UTF-16 code unit: ${order}`);
  }
}

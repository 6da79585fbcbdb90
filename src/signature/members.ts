/** Splits `sorted_member_ids`. Only the empty text is the empty list; "a:" has a second, empty id, which is refused later. */
export function splitMembers(sortedMemberIds: string): readonly string[] {
  return sortedMemberIds === '' ? [] : sortedMemberIds.split(':');
}

/** Whether the ids ascend by UTF-16 code unit, as JavaScript's `.sort()` leaves them; equal neighbours are in order. */
export function isSorted(members: readonly string[]): boolean {
  return members.every((member, i) => i === 0 || member >= (members[i - 1] ?? ''));
}

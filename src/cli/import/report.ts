import type { Outcome } from '../../conversations/leancloud/load.js';
import type { Io } from '../io.js';

interface Done {
  readonly dryRun: boolean;
  readonly remove: boolean;
  /** The rejects file; undefined: there is none. */
  readonly rejects: string | undefined;
}

/** Prints what an import read and did, or would do, so that the numbers of each line add up; and sets the exit code. */
export function report(io: Io, outcome: Outcome, { dryRun, remove, rejects }: Done): void {
  const { read, counted: c, removesConversations } = outcome;
  const rejected = c.rejected_conversations + c.rejected_members + c.rejected_roles;
  const unchanged = c.wanted_members - c.added - c.changed;
  const summary = [
    `${read.conversations} conversations read: ${c.new} registered, ${c.ordinary - c.new} were registered before, ` +
      `${c.chat_rooms} chat rooms and ${c.services} service conversations ignored, ${c.rejected_conversations} rejected`,
    `${read.members} memberships read: ${c.added} added, ${c.changed} changed, ${unchanged} unchanged, ` +
      `${read.repeatedMembers} repeated, ${c.members_of_rejected} in rejected conversations, ${c.rejected_members} rejected`,
    `${read.roles} roles read: ${c.used_roles} used, ${c.roles_of_others} of clients that are not members and ` +
      `${c.roles_elsewhere} in conversations that are not registered ignored, ${c.rejected_roles} rejected`,
  ].join('\n');
  if (dryRun) io.print('dry run: nothing is written, and this is what would be done');
  if (rejected === 0) io.printSuccess(summary);
  else io.print(io.warning(rejects === undefined ? summary : `${summary}\nrejected: see ${rejects}`));

  const gone = `${c.gone_members} members, and ${c.gone_conversations} conversations with their ${c.members_of_gone} members`;
  if (remove && removesConversations) io.print(`removed, since the export does not have them: ${gone}`);
  else if (remove) {
    io.print(`removed, since the export does not have them: ${c.gone_members} members`);
    const kept = `${c.gone_conversations} conversations that the export does not name are kept`;
    io.print(io.warning(`${kept}: ${c.unknown} lines could not be read, and may have named them`));
  } else if (c.gone_members + c.gone_conversations > 0) {
    io.print(`not in the export, and kept: ${gone}; --remove removes them`);
  }

  io.print(`of the ordinary conversations: ${c.unique} unique, ${c.large} of over 500 members`);
  io.print(`owners that are not members: ${c.absent_owners}`);
  io.print(`ids that break the rules: ${read.badIds}`);
  if (read.ignoredMembers > 0) {
    io.print(`members of chat rooms and service conversations ignored: ${read.ignoredMembers}`);
  }
  if (read.roles === 0) io.print('no roles were read (_ConversationMemberInfo): nobody but creators is above a member');
  for (const [name, lines] of read.otherClasses) io.print(`ignored: ${lines} lines of the class ${name}`);
  if (rejected > 0) io.exitCode = c.ordinary === 0 ? 1 : 3;
}

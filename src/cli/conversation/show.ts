import { requireApp } from '../../apps/app-records.js';
import { type ConversationSummary, summarise } from '../../conversations/conversation-summary.js';
import type { Membership } from '../../conversations/decision.js';
import { withAdmin } from '../admin.js';
import type { Io, OutputOptions } from '../io.js';

/** What an app's membership makes of a conversation that is not in the table; see `decide`. */
const UNREGISTERED: Record<Membership, string> = {
  off: "the app's membership is off, so no rules count in any of its conversations",
  'where-registered': "the app's membership is where-registered, so no rules count in this conversation",
  required: "the app's membership is required, so nobody may join, leave, invite or kick there",
};

export async function show(io: Io, id: string, options: OutputOptions & { appId: string }): Promise<void> {
  await withAdmin(io, async ({ dataSource }) => {
    const { membership } = await requireApp(dataSource, options.appId);
    const summary = await summarise(dataSource, options.appId, id);
    if (summary === undefined) {
      throw new Error(
        `no conversation "${id}" is registered in the app "${options.appId}": ${UNREGISTERED[membership]}`,
      );
    }
    if (options.json) io.printJson({ ...summary, membership });
    else print(io, summary, membership);
  });
}

function print(io: Io, summary: ConversationSummary, membership: Membership): void {
  io.printTable([summary], {
    conversation: (row) => row.conversation_id,
    join: (row) => row.join_rule,
    invite: (row) => row.invite_rule,
    kick: (row) => row.kick_rule,
    'member limit': (row) => row.member_limit ?? 'none',
    members: (row) => row.members,
    owners: (row) => row.owners,
    managers: (row) => row.managers,
  });
  if (membership === 'off') {
    io.print(
      io.warning("the app's membership is off: these rules do not count, until it is set to something else"),
    );
  }
  const { above_members: listed, owners, managers } = summary;
  if (listed.length === 0) {
    io.print('nobody ranks above a plain member');
    return;
  }
  io.printTable(listed, { client: (row) => row.client_id, role: (row) => row.role });
  const more = owners + managers - listed.length;
  if (more > 0) io.print(`and ${more} more`);
}

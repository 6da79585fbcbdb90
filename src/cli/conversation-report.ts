import type { Membership, Role } from '../conversations/decision.js';
import { requireApp, withAdmin } from './admin-context.js';
import { type OutputOptions, print, printJson, printTable, warning } from './output.js';

/** Owners and managers that are listed, so that a screen holds them; how many there are is said besides. */
const MAX_LISTED = 100;

/** One statement, so that all of it is as it was at one moment. */
const CONVERSATION = `
  WITH counted AS (
    SELECT count(*)::integer AS members,
      (count(*) FILTER (WHERE role = 'owner'))::integer AS owners,
      (count(*) FILTER (WHERE role = 'manager'))::integer AS managers
    FROM conversation_members WHERE app_id = $1 AND conversation_id = $2
  ), listed AS (
    SELECT client_id, role FROM conversation_members
    WHERE app_id = $1 AND conversation_id = $2 AND role IN ('owner', 'manager')
    ORDER BY role = 'owner' DESC, client_id LIMIT ${MAX_LISTED}
  )
  SELECT app_id, conversation_id, join_rule, invite_rule, kick_rule, member_limit, members, owners, managers,
    COALESCE((SELECT json_agg(listed) FROM listed), '[]') AS above_members
  FROM conversations, counted WHERE app_id = $1 AND conversation_id = $2`;

interface Conversation {
  readonly app_id: string;
  readonly conversation_id: string;
  readonly join_rule: string;
  readonly invite_rule: string;
  readonly kick_rule: string;
  readonly member_limit: number | null;
  readonly members: number;
  readonly owners: number;
  readonly managers: number;
  readonly above_members: readonly { readonly client_id: string; readonly role: Role }[];
}

/** What an app's membership makes of a conversation that is not in the table; see `decide`. */
const UNREGISTERED: Record<Membership, string> = {
  off: "the app's membership is off, so no rules count in any of its conversations",
  'where-registered': "the app's membership is where-registered, so no rules count in this conversation",
  required: "the app's membership is required, so nobody may join, leave, invite or kick there",
};

export async function show(id: string, options: OutputOptions & { appId: string }): Promise<void> {
  await withAdmin(async (admin) => {
    const { membership } = await requireApp(admin, options.appId);
    const [conversation] = await admin.dataSource.query<Conversation[]>(CONVERSATION, [options.appId, id]);
    if (conversation === undefined) {
      throw new Error(
        `no conversation "${id}" is registered in the app "${options.appId}": ${UNREGISTERED[membership]}`,
      );
    }
    if (options.json) printJson({ ...conversation, membership });
    else printConversation(conversation, membership);
  });
}

function printConversation(conversation: Conversation, membership: Membership): void {
  printTable(
    [conversation],
    {
      conversation: (row) => row.conversation_id,
      join: (row) => row.join_rule,
      invite: (row) => row.invite_rule,
      kick: (row) => row.kick_rule,
      'member limit': (row) => row.member_limit ?? 'none',
      members: (row) => row.members,
      owners: (row) => row.owners,
      managers: (row) => row.managers,
    },
    {},
  );
  if (membership === 'off') {
    print(
      warning("the app's membership is off: these rules do not count, until it is set to something else"),
    );
  }
  const { above_members: listed, owners, managers } = conversation;
  if (listed.length === 0) {
    print('nobody ranks above a plain member');
    return;
  }
  printTable(listed, { client: (row) => row.client_id, role: (row) => row.role }, {});
  const more = owners + managers - listed.length;
  if (more > 0) print(`and ${more} more`);
}

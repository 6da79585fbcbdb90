import type { Command } from 'commander';
import { type ConversationSummary, summarise } from '../../conversations/conversation-summary.js';
import type { Membership } from '../../conversations/decision.js';
import { withAdmin } from '../admin.js';
import { DATABASE, details } from '../help.js';
import type { Io, OutputOptions } from '../io.js';
import { switchOn, warnIfNotEnforced } from '../membership.js';
import { APP_ID, CONVERSATION_ID, type ForConversation, idOrArgument, JSON_OUTPUT } from '../options.js';

/** `conversation …`: what the platform's backend has written about a conversation. */
export function conversationCommands(program: Command, io: Io): void {
  const conversation = program.command('conversation').description('see the rules of conversations');
  idOrArgument(conversation.command('show').requiredOption(...APP_ID), CONVERSATION_ID)
    .summary('show a conversation')
    .description('show the rules of a conversation, its owners and managers, and how many members it has')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      details({ reads: DATABASE, example: 'im-signature conversation show --app-id shop --conversation-id c1' }),
    )
    .action((_id, options: OutputOptions & ForConversation) => show(io, options));
}

/** What the app's membership means for an unregistered conversation; see `decide`. */
const UNREGISTERED: Record<Membership, string> = {
  off: "the app's membership is off, so no rules count in any of its conversations",
  'where-registered': "the app's membership is where-registered, so no rules count in this conversation",
  required: "the app's membership is required, so nobody may join, leave, invite or kick there",
};

async function show(io: Io, { appId, conversationId, json }: OutputOptions & ForConversation): Promise<void> {
  await withAdmin(io, async ({ dataSource, apps }) => {
    const app = await apps.require(appId);
    const { membership } = app;
    const summary = await summarise(dataSource, appId, conversationId);
    if (summary === undefined) {
      const what = `no conversation "${conversationId}" is registered in the app "${appId}" (${UNREGISTERED[membership]})`;
      const first = membership === 'off' ? `switch rules on with ${switchOn(appId)}, and ` : '';
      throw new Error(`${what}; ${first}register it with a row in the table conversations`);
    }
    if (json) io.printJson({ ...summary, membership });
    else print(io, summary);
    warnIfNotEnforced(io, app);
  });
}

function print(io: Io, { above_members: listed, created_at, created_by, ...rules }: ConversationSummary): void {
  io.printTable([rules], {}, (row) => ({ ...row, member_limit: row.member_limit ?? 'none' }));
  if (created_at !== null) io.print(`registered ${created_at.toISOString()} by ${created_by ?? 'unknown'}`);
  if (listed.length === 0) {
    io.print('no owners and no managers');
    return;
  }
  io.printTable(listed);
  const more = rules.owners + rules.managers - listed.length;
  if (more > 0) io.print(`and ${more} more`);
}

import { type Command, Option } from 'commander';
import type { Action, ActionName } from '../signature/actions.js';
import { APP_ID, CLIENT_ID, CONVERSATION_ID, type ForClient } from './options.js';

/** The parameters of an action, as options. */
export type OperationOptions = ForClient & Partial<Record<'conversationId' | 'members' | 'format', string>>;

/** Adds an action as a command, with its parameters as options. @returns it, and a call of it. */
export function operationCommand(
  group: Command,
  name: ActionName,
  action: Action,
): { command: Command; example: string[] } {
  const command = group
    .command(name)
    .requiredOption(...APP_ID)
    .requiredOption(...CLIENT_ID);
  const example = ['im-signature', group.name(), name, '--app-id', 'shop', '--client-id', 'alice'];
  // The second name is the wire's.
  if (action.conversation) {
    const [flags, ...rest] = CONVERSATION_ID;
    command.requiredOption(`--conversion-id, ${flags}`, ...rest);
    example.push('--conversation-id', 'c1');
  }
  if (action.members !== 'none') {
    const members = new Option('--members <ids>', 'sorted member ids, joined with ":"');
    command.addOption(members.makeOptionMandatory(action.members === 'at least one'));
    example.push('--members', 'bob:carol');
  }
  return { command, example };
}

/** The parameters by their names on the wire. */
export function paramsOf({ appId, clientId, conversationId, members }: OperationOptions) {
  return { app_id: appId, client_id: clientId, conversion_id: conversationId, sorted_member_ids: members };
}

import { Command } from 'commander';
import type { Io, OutputOptions } from '../io.js';
import { appId, json, parseId } from '../options.js';

/** `conversation …`: what the platform's backend has written about a conversation. */
export function conversationCommands(io: Io): Command {
  const conversation = new Command('conversation').description('see the rules of conversations');
  conversation
    .command('show')
    .description('the rules of a conversation, its owners and managers, and how many members it has')
    .argument('<id>', 'the conversation id', parseId)
    .addOption(appId())
    .addOption(json())
    .action(async (id: string, options: OutputOptions & { appId: string }) =>
      (await import('./show.js')).show(io, id, options),
    );
  return conversation;
}

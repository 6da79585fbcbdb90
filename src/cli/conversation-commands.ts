import { Command } from 'commander';
import { appId, parseId } from './app-options.js';
import type { OutputOptions } from './output.js';

/** `conversation …`: what the platform's backend has written about a conversation. */
export function conversationCommands(): Command {
  const conversation = new Command('conversation').description('see the rules of conversations');
  conversation
    .command('show')
    .description('the rules of a conversation, its owners and managers, and how many members it has')
    .argument('<id>', 'the conversation id', parseId)
    .addOption(appId())
    .option('--json', 'print JSON')
    .action(async (id: string, options: OutputOptions & { appId: string }) =>
      (await import('./conversation-report.js')).show(id, options),
    );
  return conversation;
}

import { Command } from 'commander';
import { type Action, type ActionName, ACTIONS } from '../../signature/actions.js';
import type { Io } from '../io.js';
import type { SignOptions } from './sign.js';

/** `sign …`: a signature from the command line, for trying things out. Everything is judged but who is calling. */
export function signCommands(io: Io): Command {
  const sign = new Command('sign').description(
    'sign as the service would, bans and conversation rules included; nobody is asked for a token',
  );
  for (const [name, action] of Object.entries(ACTIONS) as [ActionName, Action][]) {
    const command = sign
      .command(name)
      .description(`sign "${name}"`)
      .requiredOption('--app-id <id>', 'the app')
      .requiredOption('--client-id <id>', 'the client');
    if (action.conversation) command.requiredOption('--conversion-id <id>', 'the conversation');
    if (action.members !== 'none') command.option('--members <ids>', 'sorted member ids, joined with ":"');
    command
      .option('--format <format>', 'sdk: integer milliseconds')
      .option('--explain', 'print the message that was signed, on a line before')
      .action(async (options: SignOptions) => (await import('./sign.js')).run(io, name, options));
  }
  return sign;
}

#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import packageJson from '#package' with { type: 'json' };
import { ProblemError } from '../problems/problem-error.js';
import { appCommands } from './app-commands.js';
import { banCommands } from './ban-commands.js';
import { conversationCommands } from './conversation-commands.js';
import { identityCommands } from './identity-commands.js';
import { memberCommands } from './member-commands.js';
import { migrateCommand } from './migrate-command.js';
import { secretsCommands } from './secrets-commands.js';
import { signCommands } from './sign-command.js';
import { UsageError } from './usage-error.js';

const program = new Command('im-signature')
  .description(packageJson.description)
  .version(packageJson.version)
  .addCommand(appCommands())
  .addCommand(identityCommands())
  .addCommand(conversationCommands())
  .addCommand(banCommands())
  .addCommand(memberCommands())
  .addCommand(migrateCommand())
  .addCommand(secretsCommands())
  .addCommand(signCommands());
everyCommand(program, (command) =>
  command.exitOverride().showHelpAfterError('(see --help)').allowExcessArguments(false),
);

// Who reads the output may stop reading, as head(1) does: what the command is to do is done all the same.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`im-signature: the output cannot be written (${error.code ?? error.message})\n`);
  process.exitCode = 1;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = await report(error);
}

/** One line for each thing that is wrong. @returns the exit code: 2 where the command was called wrongly, else 1. */
async function report(error: unknown): Promise<number> {
  // Commander has said what is wrong already, or has shown the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  for (const line of await linesOf(error)) process.stderr.write(`im-signature: ${line}\n`);
  return error instanceof UsageError ? 2 : 1;
}

async function linesOf(error: unknown): Promise<string[]> {
  if (error instanceof Error && error.name === 'ExitPromptError') return ['cancelled; nothing was written'];
  if (error instanceof ProblemError) {
    return [`${error.message}${error.cause instanceof Error ? ` ${error.cause.message}` : ''}`];
  }
  if (error instanceof Error && error.name === 'TokenError') {
    return [`the token does not pass: ${error.message}`];
  }
  const { startErrorLines } = await import('../operations/start-error.js');
  return startErrorLines(error);
}

function everyCommand(command: Command, change: (command: Command) => void): void {
  change(command);
  for (const child of command.commands) everyCommand(child, change);
}

import { Command, CommanderError } from 'commander';
import packageJson from '#package' with { type: 'json' };
import { ProblemError } from '../problems/problem-error.js';
import { appCommands } from './app/commands.js';
import { banCommands } from './ban/commands.js';
import { conversationCommands } from './conversation/commands.js';
import { databaseCommands } from './database/commands.js';
import { identityCommands } from './identity/commands.js';
import type { Io } from './io.js';
import { memberCommands } from './members/commands.js';
import { migrateCommand } from './migrate/commands.js';
import { UsageError } from './options.js';
import { secretsCommands } from './secrets/commands.js';
import { signCommands } from './sign/commands.js';

/** Builds the command line. A command loads what it needs when it runs: help and mistakes in a call need neither database nor library. */
export function createProgram(io: Io): Command {
  const program = new Command('im-signature')
    .description(packageJson.description)
    .version(packageJson.version)
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .configureOutput({
      writeOut: (text) => io.streams.stdout.write(text),
      writeErr: (text) => io.streams.stderr.write(text),
    });
  const subjects = [
    appCommands,
    identityCommands,
    conversationCommands,
    banCommands,
    memberCommands,
    migrateCommand,
    secretsCommands,
    signCommands,
    databaseCommands,
  ];
  for (const addCommands of subjects) addCommands(program, io);
  return program;
}

/** Runs a command line. @returns the exit code: 2 where it is called wrongly, 1 where it fails or finds something wrong. */
export async function run(args: readonly string[], io: Io): Promise<0 | 1 | 2> {
  try {
    await createProgram(io).parseAsync(args, { from: 'user' });
    return io.exitCode;
  } catch (error) {
    // Commander has said what is wrong already, or has shown the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    for (const line of await linesOf(error)) io.streams.stderr.write(`im-signature: ${line}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

/** One line for each thing that is wrong. */
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

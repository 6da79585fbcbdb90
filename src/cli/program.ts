import { Command, CommanderError, Help, type Option } from 'commander';
import packageJson from '#package' with { type: 'json' };
import { appCommands } from './app/commands.js';
import { banCommands } from './ban/commands.js';
import { clientCommands } from './client/commands.js';
import { conversationCommands } from './conversation/commands.js';
import { databaseCommands } from './database/commands.js';
import { diagnoseCommand } from './diagnose/commands.js';
import { explainCommands } from './explain/commands.js';
import { identityCommands } from './identity/commands.js';
import { importCommands } from './import/commands.js';
import type { Io } from './io.js';
import { memberCommands } from './members/commands.js';
import { migrateCommand } from './migrate/commands.js';
import { Faults, UsageError } from './options.js';
import { rulesCommands } from './rules/commands.js';
import { secretsCommands } from './secrets/commands.js';
import { signCommands } from './sign/commands.js';

/** Builds the command line. A command loads what it needs when it runs: help and mistakes in a call need neither database nor library. */
export function createProgram(io: Io): Command {
  const program = new Command('im-signature')
    .description(packageJson.description)
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.streams.stdout.write(text),
      writeErr: (text) => io.streams.stderr.write(text),
      // `run` reports every error.
      outputError: () => undefined,
    })
    .configureHelp({ optionDescription })
    .addHelpText(
      'after',
      '\nHelp of a command, with an example: im-signature help app show\nIn a checkout, type npx im-signature.',
    );
  const subjects = [
    appCommands,
    identityCommands,
    conversationCommands,
    banCommands,
    clientCommands,
    memberCommands,
    importCommands,
    rulesCommands,
    migrateCommand,
    secretsCommands,
    signCommands,
    explainCommands,
    diagnoseCommand,
    databaseCommands,
  ];
  for (const addCommands of subjects) addCommands(program, io);
  helpCommand(program);
  return program;
}

function optionDescription(option: Option): string {
  const description = Help.prototype.optionDescription(option);
  return option.mandatory ? `${description} (required)` : description;
}

/** Commander's own finds only commands of the first level. */
function helpCommand(program: Command): void {
  program
    .command('help')
    .summary('show the help of a command')
    .description('show the help of a command, as --help does')
    .argument('[command...]', 'its name, such as app show')
    .action((names: string[]) => {
      let shown = program;
      for (const name of names) {
        const found = shown.commands.find((command) => command.name() === name);
        shown = found ?? shown.error(`error: unknown command '${name}'`);
      }
      shown.help();
    });
}

/**
 * Runs a command line.
 *
 * @returns the exit code: 0, or 2 where it is called wrongly, 1 where it fails or finds something wrong, 3 where it does a part of its work.
 */
export async function run(args: readonly string[], io: Io): Promise<0 | 1 | 2 | 3> {
  const program = createProgram(io);
  let called = program;
  for (const group of [program, ...program.commands]) {
    group.hook('preSubcommand', (_, command) => {
      called = command;
    });
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return io.exitCode;
  } catch (error) {
    // The help or the version was asked for, or a group was called without a command; they are printed.
    if (error instanceof CommanderError && ANSWERS.has(error.code)) return error.exitCode === 0 ? 0 : 2;
    const isUsage = error instanceof CommanderError || error instanceof UsageError;
    const lines = isUsage ? [usageLine(error, called)] : await linesOf(error);
    // A summary says what its command does: "register an app".
    const what = called.summary() || 'run the command';
    for (const line of lines) io.streams.stderr.write(`im-signature: cannot ${what}: ${line}\n`);
    return isUsage ? 2 : 1;
  }
}

const ANSWERS = new Set(['commander.help', 'commander.helpDisplayed', 'commander.version']);

function usageLine({ message }: Error, called: Command): string {
  const reason = message.replace(/^error: |\.$/g, '').replace(/\s*\n\s*/g, ' ');
  const names = [called.parent?.parent, called.parent, called].map((command) => command?.name());
  return `${reason}; see "${names.filter((name) => name !== undefined).join(' ')} --help"`;
}

/** One line for each thing that is wrong: the reason, and what to do. */
async function linesOf(error: unknown): Promise<string[]> {
  if (error instanceof Error && error.name === 'ExitPromptError') return ['cancelled; nothing was written'];
  if (error instanceof Faults) return [...error.lines];
  const { startErrorLines } = await import('../operations/start-error.js');
  return startErrorLines(error);
}

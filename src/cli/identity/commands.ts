import { Command } from 'commander';
import type { Io } from '../io.js';
import { appId } from '../options.js';

/** `identity …`: whether the tokens of an app would pass. */
export function identityCommands(io: Io): Command {
  const identity = new Command('identity').description('try out how the tokens of an app are verified');
  identity
    .command('check')
    .description(
      'fetch the keys of an app, and say whether a token, asked for or from standard input, would pass',
    )
    .addOption(appId())
    .action(async (options: { appId: string }) => (await import('./check.js')).check(io, options));
  return identity;
}

import { Command } from 'commander';
import { appId } from './app-options.js';

/** `identity …`: whether the tokens of an app would pass. */
export function identityCommands(): Command {
  const identity = new Command('identity').description('try out how the tokens of an app are verified');
  identity
    .command('check')
    .description(
      'fetch the keys of an app, and say whether a token, asked for or from standard input, would pass',
    )
    .addOption(appId())
    .action(async (options: { appId: string }) => (await import('./identity-check.js')).check(options));
  return identity;
}

import { Command, Option } from 'commander';
import {
  appId,
  type Columns,
  identity,
  identityOptions,
  type IdentityOptions,
  maxMembers,
  membership,
  name,
  parseId,
  parseTime,
  timestampFormat,
} from './app-options.js';
import type { OutputOptions } from './output.js';

// Loaded when a command runs: help and mistakes in a call need neither a database nor its library.
const changes = async () => import('./app-changes.js');
const reports = async () => import('./app-reports.js');

/** `app …`: registers apps and changes them by migrations to review, and shows what is registered. */
export function appCommands(): Command {
  const app = new Command('app').description('register apps, change them, see them');

  const register = app
    .command('register')
    .description(
      'write a migration that registers an app; the master key is asked for, or read from standard input',
    )
    .addOption(appId())
    .addOption(name().makeOptionMandatory())
    .addOption(identity().makeOptionMandatory())
    .addOption(timestampFormat().default('seconds.micros'))
    .addOption(membership().default('off'))
    .addOption(maxMembers().default(500))
    .action(async (options: Columns & IdentityOptions & { appId: string }) =>
      (await changes()).register(options),
    );

  app
    .command('rotate-key')
    .description('write a migration that adds a version to the master key of an app')
    .addOption(appId())
    .addOption(
      new Option(
        '--active-from <time>',
        'when the new key begins to sign, such as 2027-01-31T22:00:00Z',
      ).argParser(parseTime('without the option the key signs as soon as it is migrated')),
    )
    .action(async (options: { appId: string; activeFrom?: Date }) => (await changes()).rotateKey(options));

  const set = app
    .command('set')
    .description('write a migration that changes an app')
    .addOption(appId())
    .addOption(name())
    .addOption(identity())
    .addOption(timestampFormat())
    .addOption(membership())
    .addOption(maxMembers())
    .action(async (options: Columns & IdentityOptions & { appId: string }) => (await changes()).set(options));

  for (const option of identityOptions()) register.addOption(option);
  for (const option of identityOptions()) set.addOption(option);

  for (const [verb, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const) {
    app
      .command(verb)
      .description(
        `write a migration after which ${disabled ? 'nothing is signed' : 'there are signatures again'} for an app`,
      )
      .addOption(appId())
      .action(async ({ appId }: { appId: string }) => (await changes()).switchApp(verb, appId, disabled));
  }

  app
    .command('list')
    .description('all apps')
    .option('--json', 'print JSON')
    .action(async (options: OutputOptions) => (await reports()).list(options));
  app
    .command('show')
    .description('an app, and when each version of its key is or was in force')
    .argument('<id>', 'the app id', parseId)
    .option('--json', 'print JSON')
    .action(async (id: string, options: OutputOptions) => (await reports()).show(id, options));
  app
    .command('check')
    .description('whether every sealed key opens and every app has a key in force; exit code 1 if not')
    .option('--json', 'print JSON')
    .action(async (options: OutputOptions) => (await reports()).check(options));
  return app;
}

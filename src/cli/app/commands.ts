import { Command, Option } from 'commander';
import type { Io, OutputOptions } from '../io.js';
import { appId, json, parseId, parseTime } from '../options.js';
import {
  type AppOptions,
  identity,
  maxMembers,
  membership,
  name,
  timestampFormat,
  tokenOptions,
  type TokenOptions,
} from './options.js';

/** `app …`: registers apps and changes them by migrations to review, and shows what is registered. */
export function appCommands(io: Io): Command {
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
    .action(async (options: AppOptions & TokenOptions & { appId: string }) =>
      (await import('./register.js')).register(io, options),
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
    .action(async (options: { appId: string; activeFrom?: Date }) =>
      (await import('./rotate-key.js')).rotateKey(io, options),
    );
  const set = app
    .command('set')
    .description('write a migration that changes an app')
    .addOption(appId())
    .addOption(name())
    .addOption(identity())
    .addOption(timestampFormat())
    .addOption(membership())
    .addOption(maxMembers())
    .action(async (options: AppOptions & TokenOptions & { appId: string }) =>
      (await import('./set.js')).set(io, options),
    );
  for (const option of tokenOptions()) register.addOption(option);
  for (const option of tokenOptions()) set.addOption(option);

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
      .action(async ({ appId }: { appId: string }) =>
        (await import('./set.js')).setDisabled(io, verb, appId, disabled),
      );
  }
  app
    .command('list')
    .description('all apps')
    .addOption(json())
    .action(async (options: OutputOptions) => (await import('./show.js')).list(io, options));
  app
    .command('show')
    .description('an app, and when each version of its key is or was in force')
    .argument('<id>', 'the app id', parseId)
    .addOption(json())
    .action(async (id: string, options: OutputOptions) => (await import('./show.js')).show(io, id, options));
  app
    .command('check')
    .description('whether every sealed key opens and every app has a key in force; exit code 1 if not')
    .addOption(json())
    .action(async (options: OutputOptions) => (await import('./check.js')).check(io, options));
  return app;
}

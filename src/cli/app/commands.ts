import type { Command } from 'commander';
import { faultsOf, requireRegistered } from '../../apps/app-report.js';
import { masterKeyPurpose, seal } from '../../apps/sealing.js';
import { withAdmin } from '../admin.js';
import type { Io, OutputOptions } from '../io.js';
import { APP_ID, type ForApp, JSON_OUTPUT, parseId, parseTime } from '../options.js';
import { readSecrets } from '../prompt.js';
import { type ChangeOptions, changeOptions, registrationOptions } from './options.js';
import { register, set } from './register.js';
import { list, show } from './show.js';

/** `app …`: writes migrations that register and change apps, and shows what is registered. */
export function appCommands(program: Command, io: Io): void {
  const app = program.command('app').description('register apps, change them, see them');
  const registering = app
    .command('register')
    .description('write a migration that registers an app; the master key is asked for, or read from standard input')
    .requiredOption(...APP_ID)
    .action((options: ChangeOptions) => register(io, options));
  for (const option of registrationOptions()) registering.addOption(option);

  app
    .command('rotate-key')
    .description('write a migration that adds a version to the master key of an app')
    .requiredOption(...APP_ID)
    .option(
      '--active-from <time>',
      'when the new key begins to sign, such as 2027-01-31T22:00:00Z',
      parseTime('without the option the key signs as soon as it is migrated'),
    )
    .action((options: ForApp & { activeFrom?: Date }) => rotateKey(io, options));

  const setting = app
    .command('set')
    .description('write a migration that changes an app')
    .requiredOption(...APP_ID)
    .action((options: ChangeOptions) => set(io, options));
  for (const option of changeOptions()) setting.addOption(option);

  app
    .command('disable')
    .description('write a migration after which nothing is signed for an app')
    .requiredOption(...APP_ID)
    .action((options: ForApp) => setDisabled(io, options, true));
  app
    .command('enable')
    .description('write a migration after which a disabled app is signed for again')
    .requiredOption(...APP_ID)
    .action((options: ForApp) => setDisabled(io, options, false));
  app
    .command('list')
    .description('all apps')
    .option(...JSON_OUTPUT)
    .action((options: OutputOptions) => list(io, options));
  app
    .command('show')
    .description('an app, and when each version of its key is or was in force')
    .argument('<id>', 'the app id', parseId)
    .option(...JSON_OUTPUT)
    .action((id: string, options: OutputOptions) => show(io, id, options));
  app
    .command('check')
    .description('whether every sealed key opens and every app has a key in force; exit code 1 if not')
    .option(...JSON_OUTPUT)
    .action((options: OutputOptions) => check(io, options));
}

async function rotateKey(io: Io, { appId, activeFrom }: ForApp & { activeFrom?: Date }): Promise<void> {
  await withAdmin(io, async ({ registrations, sealingKeys }) => {
    requireRegistered(appId, (await registrations.present(appId)).app);
    const [masterKey = ''] = await readSecrets(io, ['new master key']);
    const file = await registrations.change(appId, ({ app }) => {
      const { masterKeys } = requireRegistered(appId, app);
      const version = Math.max(0, ...masterKeys.map((key) => key.version)) + 1;
      return {
        slug: 'rotate-key',
        comment: 'Adds a version to the master key of an app. It is sealed, and bound to the app and the version.',
        key: {
          app_id: appId,
          version,
          sealed_key: seal(masterKey, masterKeyPurpose(appId, version), sealingKeys),
          active_from: activeFrom?.toISOString() ?? null,
        },
      };
    });
    io.printWritten(file);
  });
}

async function setDisabled(io: Io, { appId }: ForApp, disabled: boolean): Promise<void> {
  await withAdmin(io, async ({ registrations }) => {
    const file = await registrations.change(appId, ({ app }) => {
      requireRegistered(appId, app);
      const slug = disabled ? 'disable-app' : 'enable-app';
      return { slug, comment: 'Changes disabled of an app.', app: { disabled } };
    });
    io.printWritten(file);
  });
}

async function check(io: Io, options: OutputOptions): Promise<void> {
  await withAdmin(io, async ({ apps, sealingKeys }) => {
    const identities = new Map((await apps.identities()).map((identity) => [identity.appId, identity]));
    const faults = (await apps.all()).flatMap((app) =>
      faultsOf(app, identities.get(app.appId) ?? null, sealingKeys).map((fault) => ({ app_id: app.appId, fault })),
    );
    if (options.json) io.printJson(faults);
    else if (faults.length === 0) io.printSuccess('every sealed key opens, and every app has a key in force');
    else io.printTable(faults);
    if (faults.length > 0) io.exitCode = 1;
  });
}

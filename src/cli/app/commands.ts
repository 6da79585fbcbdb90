import { type Command, InvalidArgumentError, Option } from 'commander';
import { fromNowOn } from '../../apps/app-registrations.js';
import { requireRegistered } from '../../apps/app-report.js';
import { masterKeyPurpose, seal } from '../../apps/sealing.js';
import { withAdmin } from '../admin.js';
import type { Io, OutputOptions } from '../io.js';
import { details, DATABASE, MIGRATIONS } from '../help.js';
import { APP_ID, type ForApp, idOrArgument, JSON_OUTPUT, parseNewId, parseTime } from '../options.js';
import { readSecrets } from '../prompt.js';
import { reportFaults } from './faults.js';
import { type ChangeOptions, changeOptions, registrationOptions } from './options.js';
import { register, set } from './register.js';
import { list, show } from './show.js';
import { nameSealingKey } from './warnings.js';

/** `app …`: writes migrations that register and change apps, and shows what is registered. */
export function appCommands(program: Command, io: Io): void {
  const app = program.command('app').description('register, change and show apps; a change is a migration');
  const registering = app
    .command('register')
    .summary('register an app')
    .description('write a migration that registers an app; the master key is asked for, or read from standard input')
    .requiredOption(APP_ID[0], APP_ID[1], parseNewId)
    .addHelpText(
      'after',
      details({
        stdin:
          'The master key, on a line; with --hmac-secret that secret, on a second line.\n' +
          'On a terminal, each is asked for twice and not shown.',
        reads: MIGRATIONS,
        example:
          'im-signature app register --app-id shop --name "My shop" --identity jwt --algorithms RS256 --jwks-uri https://login.example.com/jwks.json',
      }),
    )
    .action((options: ChangeOptions) => register(io, options));
  for (const option of registrationOptions()) registering.addOption(option);

  app
    .command('rotate-key')
    .summary('rotate the master key of an app')
    .description('write a migration that adds a version to the master key of an app')
    .requiredOption(...APP_ID)
    .option(
      '--active-from <time>',
      'when the new key begins to sign, such as 2027-01-31T22:00:00Z',
      parseTime('without the option the key signs as soon as it is migrated'),
    )
    .addHelpText(
      'after',
      details({
        stdin: 'The new master key, on a line. On a terminal it is asked for twice and not shown.',
        reads: MIGRATIONS,
        example: 'im-signature app rotate-key --app-id shop',
      }),
    )
    .action((options: ForApp & { activeFrom?: Date }) => rotateKey(io, options));

  app
    .command('retire-key')
    .summary('erase an old master key of an app')
    .description(
      'write a migration that erases a version of the master key of an app that signs no more; its row stays. It cannot be reverted',
    )
    .requiredOption(...APP_ID)
    .addOption(new Option('--key-version <number>', 'the version').argParser(parseVersion).makeOptionMandatory())
    .addHelpText(
      'after',
      details({ reads: MIGRATIONS, example: 'im-signature app retire-key --app-id shop --key-version 1' }),
    )
    .action((options: ForApp & { keyVersion: number }) => retireKey(io, options));

  const setting = app
    .command('set')
    .summary('change an app')
    .description('write a migration that changes an app')
    .requiredOption(...APP_ID)
    .addHelpText(
      'after',
      details({
        stdin: 'With --hmac-secret that secret, on a line. On a terminal it is asked for twice and not shown.',
        reads: MIGRATIONS,
        example: 'im-signature app set --app-id shop --membership where-registered',
      }),
    )
    .action((options: ChangeOptions) => set(io, options));
  for (const option of changeOptions()) setting.addOption(option);

  app
    .command('disable')
    .summary('disable an app')
    .description('write a migration after which nothing is signed for an app')
    .requiredOption(...APP_ID)
    .addHelpText('after', details({ reads: MIGRATIONS, example: 'im-signature app disable --app-id shop' }))
    .action((options: ForApp) => setDisabled(io, options, true));
  app
    .command('enable')
    .summary('enable an app')
    .description('write a migration after which a disabled app is signed for again')
    .requiredOption(...APP_ID)
    .addHelpText('after', details({ reads: MIGRATIONS, example: 'im-signature app enable --app-id shop' }))
    .action((options: ForApp) => setDisabled(io, options, false));
  app
    .command('list')
    .summary('list the apps')
    .description('list the apps: whether callers need a token, whether rules decide, and which key signs')
    .option(...JSON_OUTPUT)
    .addHelpText('after', details({ reads: DATABASE, example: 'im-signature app list' }))
    .action((options: OutputOptions) => list(io, options));
  idOrArgument(app.command('show'), APP_ID)
    .summary('show an app')
    .description('show an app, and the versions of its key: scheduled, signing or retired')
    .option(...JSON_OUTPUT)
    .addHelpText('after', details({ reads: DATABASE, example: 'im-signature app show --app-id shop' }))
    .action((_id, { appId, ...options }: OutputOptions & ForApp) => show(io, appId, options));
  app
    .command('check')
    .summary('check the keys of the apps')
    .description('check that every sealed key opens and every app has a key that signs; exit code 1 if not')
    .option(...JSON_OUTPUT)
    .addHelpText('after', details({ reads: DATABASE, example: 'im-signature app check' }))
    .action((options: OutputOptions) => check(io, options));
}

async function rotateKey(io: Io, { appId, activeFrom }: ForApp & { activeFrom?: Date }): Promise<void> {
  await withAdmin(io, async (admin) => {
    const { registrations, sealingKeys } = admin;
    requireRegistered(appId, (await registrations.present(appId)).app);
    nameSealingKey(io, admin);
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
          active_from: activeFrom?.toISOString() ?? fromNowOn(),
        },
      };
    });
    io.printWritten(file);
  });
}

async function retireKey(io: Io, { appId, keyVersion }: ForApp & { keyVersion: number }): Promise<void> {
  await withAdmin(io, async ({ registrations }) => {
    io.printWritten(await registrations.retireKey(appId, keyVersion), 'Once it is applied it cannot be reverted.');
    io.print(
      'The migration that added the key still holds it, sealed: whoever has that file and ' +
        'its SECRETS_KEY can open it.',
    );
  });
}

function parseVersion(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('A whole number from 1.');
  return Number(text);
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
  await withAdmin(io, async (admin) => {
    if ((await reportFaults(io, admin, options)).length > 0) io.exitCode = 1;
  });
}

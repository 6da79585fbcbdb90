import type { Command } from 'commander';
import type { App } from '../../apps/app.entity.js';
import { newSecretsKey } from '../../config/secrets-key.js';
import { withAdmin } from '../admin.js';
import { details, MIGRATIONS } from '../help.js';
import type { Io } from '../io.js';
import { UsageError } from '../options.js';

type ResealOptions = Record<'from' | 'to', string>;

/** `secrets …`: the keys that seal the secrets in the database. */
export function secretsCommands(program: Command, io: Io): void {
  const secrets = program.command('secrets').description('the keys that seal the secrets in the database');
  secrets
    .command('new')
    .summary('make a key')
    .description('print a fresh key for SECRETS_KEY')
    .addHelpText('after', details({ example: 'im-signature secrets new' }))
    .action(() => {
      io.print(newSecretsKey());
    });
  secrets
    .command('reseal')
    .summary('seal with another key')
    .description('write a migration that seals with one key all that another one sealed; SECRETS_KEY must hold both')
    .requiredOption('--from <key-id>', 'the id of the key to retire')
    .requiredOption('--to <key-id>', 'the id of the key that replaces it')
    .addHelpText(
      'after',
      details({ reads: MIGRATIONS, example: 'im-signature secrets reseal --from default --to 2027' }),
    )
    .action((options: ResealOptions) => reseal(io, options));
}

async function reseal(io: Io, { from, to }: ResealOptions): Promise<void> {
  if (from === to) throw new UsageError('--from and --to are the same key');
  await withAdmin(io, async ({ registrations, sealingKeys, sealingKeysVariable, embedded }) => {
    const { isDemoApp } = await import('../../demo.js');
    // No other environment has those, so that the migration would fail there.
    const isLeftOut = (app: App) => embedded && isDemoApp(app);
    io.printWritten(await registrations.reseal(from, to, sealingKeys, isLeftOut));
    const variable = sealingKeysVariable;
    io.print(`Once that is applied everywhere, ${variable} needs only the key "${to}", with its id: ${to}:<base64>`);
  });
}

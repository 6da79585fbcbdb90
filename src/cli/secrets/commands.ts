import { Command } from 'commander';
import { newSecretsKey } from '../../config/secrets-key.js';
import type { Io } from '../io.js';

/** `secrets …`: the keys that seal what is secret in the database. */
export function secretsCommands(io: Io): Command {
  const secrets = new Command('secrets').description('the keys that seal what is secret in the database');
  secrets
    .command('new')
    .description('print a fresh key for SECRETS_KEY')
    .action(() => {
      io.print(newSecretsKey());
    });
  secrets
    .command('reseal')
    .description(
      'write a migration that seals with another key what is sealed with one; SECRETS_KEY must hold both',
    )
    .requiredOption('--from <key-id>', 'the id of the key that is to go')
    .requiredOption('--to <key-id>', 'the id of the key that is to stay')
    .action(async (options: { from: string; to: string }) =>
      (await import('./reseal.js')).reseal(io, options),
    );
  return secrets;
}

import { Command } from 'commander';
import { newSecretsKey } from '../config/secrets-key.js';
import { print } from './output.js';

/** `secrets …`: the keys that seal what is secret in the database. */
export function secretsCommands(): Command {
  const secrets = new Command('secrets').description('the keys that seal what is secret in the database');
  secrets
    .command('new')
    .description('print a fresh key for SECRETS_KEY')
    .action(() => {
      print(newSecretsKey());
    });
  secrets
    .command('reseal')
    .description(
      'write a migration that seals with another key what is sealed with one; SECRETS_KEY must hold both',
    )
    .requiredOption('--from <key-id>', 'the id of the key that is to go')
    .requiredOption('--to <key-id>', 'the id of the key that is to stay')
    .action(async (options: { from: string; to: string }) =>
      (await import('./secrets-reseal.js')).reseal(options),
    );
  return secrets;
}

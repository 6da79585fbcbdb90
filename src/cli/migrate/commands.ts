import { Command, Option } from 'commander';
import type { Io } from '../io.js';
import type { MigrateOptions } from './migrate.js';

/** `migrate`: brings the database to what this build and the registrations need, or one step back. */
export function migrateCommand(io: Io): Command {
  return new Command('migrate')
    .description(
      'apply the pending migrations, each in a transaction; processes that start together wait for the first',
    )
    .addOption(new Option('--dry-run', 'only say what would be applied').conflicts(['revert', 'status']))
    .addOption(new Option('--revert', 'take back the one that was applied last').conflicts('status'))
    .addOption(new Option('--status', 'show which are applied'))
    .option('--json', 'with --status: print JSON')
    .action(async (options: MigrateOptions) => (await import('./migrate.js')).run(io, options));
}

import { Command, Option } from 'commander';
import type { MigrateOptions } from './migrate-run.js';

/** `migrate`: brings the database to what this build needs, or one step back. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description(
      'apply the pending migrations, each in a transaction; processes that start together wait for the first',
    )
    .addOption(new Option('--dry-run', 'only say what would be applied').conflicts(['revert', 'status']))
    .addOption(new Option('--revert', 'take back the one that was applied last').conflicts('status'))
    .addOption(new Option('--status', 'show which are applied'))
    .option('--json', 'with --status: print JSON')
    .action(async (options: MigrateOptions) => (await import('./migrate-run.js')).run(options));
}

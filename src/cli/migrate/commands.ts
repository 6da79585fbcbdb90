import { type Command, Option } from 'commander';
import { withDatabaseUrl } from '../admin.js';
import { details, MIGRATIONS } from '../help.js';
import type { Io, OutputOptions } from '../io.js';

type MigrateOptions = OutputOptions & Partial<Record<'dryRun' | 'revert' | 'status', true>>;

/** `migrate`: brings the database to what this build and the registrations need, or one step back. */
export function migrateCommand(program: Command, io: Io): void {
  program
    .command('migrate')
    .summary('migrate the database')
    .description(
      'apply the pending migrations, each in a transaction; processes that start together wait for the first',
    )
    .addOption(new Option('--dry-run', 'only print what would be applied').conflicts(['revert', 'status']))
    .addOption(new Option('--revert', 'revert the one that was applied last').conflicts('status'))
    .option('--status', 'show which are applied')
    .option('--json', 'with --status: print JSON')
    .addHelpText('after', details({ reads: MIGRATIONS, example: 'im-signature migrate --dry-run' }))
    .action((options: MigrateOptions) => run(io, options));
}

async function run(io: Io, options: MigrateOptions): Promise<void> {
  const printEach = (verb: string, names: readonly string[]): void => {
    for (const name of names) io.print(`${verb} ${name}`);
    if (names.length === 0) io.printSuccess('nothing to apply');
  };
  await withDatabaseUrl(io, async (url, { migrationsDir: folder }) => {
    const { migrate, migrationStatus, pendingMigrations, revertLast } = await import('../../database/migrate.js');
    if (options.status) {
      io.printTable(await migrationStatus(url, folder), options);
    } else if (options.revert) {
      const reverted = await revertLast(url, folder);
      io.printSuccess(reverted === undefined ? 'nothing to revert' : `reverted ${reverted}`);
    } else if (options.dryRun) {
      printEach('would apply', await pendingMigrations(url, folder));
    } else {
      printEach('applied', await migrate(url, folder));
    }
  });
}

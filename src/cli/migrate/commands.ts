import { type Command, Option } from 'commander';
import type { LastMigration } from '../../database/migrate.js';
import { connectAdmin, withDatabaseUrl } from '../admin.js';
import { reportFaults } from '../app/faults.js';
import { details, MIGRATIONS } from '../help.js';
import type { Io, OutputOptions } from '../io.js';
import { UsageError } from '../options.js';
import { confirm } from '../prompt.js';

type MigrateOptions = OutputOptions & Partial<Record<'dryRun' | 'status' | 'yes', true>> & { revert?: true | string };

/** `migrate`: brings the database to what this build and the registrations need, or one step back. */
export function migrateCommand(program: Command, io: Io): void {
  program
    .command('migrate')
    .summary('migrate the database')
    .description(
      'apply the pending migrations, each in a transaction; processes that start together wait for the first. ' +
        'Ends with what "app check" finds; exit code 1 where an app that a migration is about cannot be signed for',
    )
    .addOption(new Option('--dry-run', 'only print what would be applied').conflicts(['revert', 'status']))
    .addOption(
      new Option(
        '--revert [name]',
        'revert the one that was applied last, after a question; one that drops tables or data needs its name',
      ).conflicts('status'),
    )
    .option('--yes', 'with --revert: do not ask')
    .option('--status', 'show which are applied')
    .option('--json', 'with --status: print JSON')
    .addHelpText('after', details({ reads: MIGRATIONS, example: 'im-signature migrate --dry-run' }))
    .action((options: MigrateOptions) => run(io, options));
}

async function run(io: Io, options: MigrateOptions): Promise<void> {
  if (options.json && !options.status) throw new UsageError('--json goes with --status');
  if (options.yes && options.revert === undefined) throw new UsageError('--yes goes with --revert');
  await withDatabaseUrl(io, async (url, settings) => {
    const { migrationsDir: folder } = settings;
    const { migrate, migrationStatus, pendingMigrations } = await import('../../database/migrate.js');
    if (options.status) {
      io.printTable(await migrationStatus(url, folder), options);
    } else if (options.revert !== undefined) {
      await revert(io, url, folder, options);
    } else if (options.dryRun) {
      await printEach(io, folder, 'would apply', await pendingMigrations(url, folder));
    } else {
      const applied = await migrate(url, folder, tellWaiting(io));
      await printEach(io, folder, 'applied', applied);
      await connectAdmin(url, settings, async (admin) => {
        const { isAbout } = await import('../../database/registrations.js');
        for (const { app_id } of await reportFaults(io, admin)) {
          if (await isAbout(folder, applied, app_id)) io.exitCode = 1;
        }
      });
    }
  });
}

/** Tells people that a lock is waited for. */
function tellWaiting(io: Io): () => void {
  return () => {
    io.printWarning('another transaction, such as a backup, holds a lock that is needed; tried again every 2 s');
  };
}

async function printEach(io: Io, folder: string, verb: string, names: readonly string[]): Promise<void> {
  for (const name of names) io.print(`${verb} ${name}`);
  if (names.length > 0) return;
  const { registrations } = await import('../../database/registrations.js');
  io.printSuccess(`nothing to apply; registrations in ${folder}: ${(await registrations(folder)).length}`);
}

async function revert(io: Io, url: string, folder: string, { revert, yes }: MigrateOptions): Promise<void> {
  const { lastMigration, revertLast } = await import('../../database/migrate.js');
  const last = await lastMigration(url, folder);
  if (last === undefined) {
    io.printSuccess('nothing to revert');
    return;
  }
  requireRevertible(last, folder, revert);
  if (revert === true && !yes && !(await confirm(io, `Revert ${last.name}, the one that was applied last?`))) {
    throw new Error('cancelled; nothing was reverted');
  }
  await revertLast(url, folder, last.name, tellWaiting(io));
  io.printSuccess(`reverted ${last.name}`);
}

/** @param asked the name that was given, if one was. @throws {Error} that says how to revert it, or why that cannot be. */
function requireRevertible({ name, inBuild, dropsData }: LastMigration, folder: string, asked?: true | string): void {
  if (typeof asked === 'string' && asked !== name) {
    throw new Error(`only the one that was applied last can be reverted, and that is ${name}, not ${asked}`);
  }
  if (!inBuild) {
    throw new Error(
      `${name} was applied last, and this build lacks it: put its file back into ${folder}, or use the build that has it`,
    );
  }
  if (dropsData && asked === true) {
    throw new Error(`reverting ${name} drops tables or data; if you mean that, give its name: --revert ${name}`);
  }
}

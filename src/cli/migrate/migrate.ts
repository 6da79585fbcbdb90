import { loadSettings } from '../../config/settings.js';
import { migrate, migrationStatus, pendingMigrations, revertLast } from '../../database/migrate.js';
import { withDatabaseUrl } from '../admin.js';
import type { Io, OutputOptions } from '../io.js';

export interface MigrateOptions extends OutputOptions {
  dryRun?: true;
  revert?: true;
  status?: true;
}

export async function run(io: Io, options: MigrateOptions): Promise<void> {
  const settings = loadSettings(io.env);
  const folder = settings.migrationsDir;
  const printEach = (verb: string, names: readonly string[]): void => {
    for (const name of names) io.print(`${verb} ${name}`);
    if (names.length === 0) io.printSuccess('nothing to apply');
  };
  await withDatabaseUrl(settings, async (url) => {
    if (options.status) {
      const columns = { migration: nameOf, applied: ({ applied }: { applied: boolean }) => applied };
      io.printTable(await migrationStatus(url, folder), columns, options);
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

const nameOf = ({ name }: { name: string }): string => name;

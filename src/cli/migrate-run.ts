import { migrate, migrationStatus, pendingMigrations, revertLast } from '../database/migrate.js';
import { withDatabaseUrl } from './admin-context.js';
import { unbuiltMigrations } from './migration-file.js';
import { good, type OutputOptions, print, printTable } from './output.js';

export interface MigrateOptions extends OutputOptions {
  dryRun?: true;
  revert?: true;
  status?: true;
}

export async function run(options: MigrateOptions): Promise<void> {
  const unbuilt = await unbuiltMigrations();
  if (unbuilt.length > 0) {
    throw new Error(`migrations/${unbuilt[0] ?? ''} is not built yet: run "npm run build" first`);
  }
  await withDatabaseUrl(async (url) => {
    if (options.status) {
      const columns = { migration: nameOf, applied: ({ applied }: { applied: boolean }) => applied };
      printTable(await migrationStatus(url), columns, options);
    } else if (options.revert) {
      const reverted = await revertLast(url);
      good(reverted === undefined ? 'nothing to revert' : `reverted ${reverted}`);
    } else if (options.dryRun) {
      printEach('would apply', await pendingMigrations(url));
    } else {
      printEach('applied', await migrate(url));
    }
  });
}

const nameOf = ({ name }: { name: string }): string => name;

function printEach(verb: string, names: readonly string[]): void {
  for (const name of names) print(`${verb} ${name}`);
  if (names.length === 0) good('nothing to apply');
}

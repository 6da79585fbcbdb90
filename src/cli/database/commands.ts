import { resolve } from 'node:path';
import type { Command } from 'commander';
import { details } from '../help.js';
import type { Io } from '../io.js';

/** `database …`: how to reach the database with other tools. */
export function databaseCommands(program: Command, io: Io): void {
  const database = program.command('database').description('how to reach the database with other tools');
  database
    .command('url')
    .summary('print the URL of the database')
    .description(
      'print the URL of the database, password included; with psql: URL=$(im-signature database url) && psql "$URL"',
    )
    .addHelpText('after', details({ reads: ['DATABASE_URL', 'DATA_DIR'], example: 'im-signature database url' }))
    .action(() => url(io));
}

async function url(io: Io): Promise<void> {
  const { loadSettings } = await import('../../config/settings.js');
  const { databaseUrl, dataDir } = loadSettings(io.env);
  const { embeddedPostgresUrl } = await import('../../database/embedded/embedded-postgres.js');
  const found = databaseUrl ?? (await embeddedPostgresUrl(dataDir));
  if (found === undefined) {
    throw new Error(
      `nothing runs the embedded PostgreSQL in ${resolve(dataDir)}: run "npm start" and leave it running, or set DATABASE_URL`,
    );
  }
  io.print(found);
}

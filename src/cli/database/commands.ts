import { Command } from 'commander';
import { loadSettings } from '../../config/settings.js';
import type { Io } from '../io.js';

/** `database …`: how to reach the database with other tools. */
export function databaseCommands(io: Io): Command {
  const database = new Command('database').description('how to reach the database with other tools');
  database
    .command('url')
    .description('print the URL of the database, password included: psql "$(im-signature database url)"')
    .action(async () => {
      const { databaseUrl, dataDir } = loadSettings(io.env);
      io.print(databaseUrl ?? (await embeddedUrl(dataDir)));
    });
  return database;
}

async function embeddedUrl(dataDir: string): Promise<string> {
  const { embeddedPostgresUrl } = await import('../../database/embedded/embedded-postgres.js');
  const url = await embeddedPostgresUrl(dataDir);
  if (url === undefined) {
    throw new Error(`no service uses the embedded PostgreSQL in ${dataDir}: start one with "npm start"`);
  }
  return url;
}

import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { built } from './built.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The server of this run, by the URL of its administrative database. */
    serverUrl: string;
    /** An empty folder: no app that is registered in this checkout is registered in a test. */
    registrations: string;
    /** A database on it that has every migration, to make a file's own database from. */
    template: string;
  }
}

/**
 * One PostgreSQL for the run: the one `DATABASE_URL` names, else an embedded one in a folder of its own.
 * The migrations run once, in a template database.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const { holdEmbeddedPostgres } = await built<typeof import('../../src/database/embedded/embedded-postgres.js')>(
    'src/database/embedded/embedded-postgres.js',
  );
  const { migrate } = await built<typeof import('../../src/database/migrate.js')>('src/database/migrate.js');

  const given = process.env.DATABASE_URL;
  const folder = await mkdtemp(join(tmpdir(), 'im-signature-test-'));
  // As root, PostgreSQL runs under another account, which has to reach its data.
  await chmod(folder, 0o755);
  const held = given === undefined ? await holdEmbeddedPostgres(folder) : undefined;
  const serverUrl = given ?? held?.url ?? '';
  const template = `im_signature_template_${randomUUID().replaceAll('-', '')}`;
  await administer(serverUrl, `CREATE DATABASE ${template} ENCODING 'UTF8' TEMPLATE template0`);
  const registrations = join(folder, 'registrations');
  await mkdir(registrations);
  await migrate(databaseUrl(serverUrl, template), registrations);
  project.provide('registrations', registrations);
  project.provide('serverUrl', serverUrl);
  project.provide('template', template);

  return async () => {
    await administer(serverUrl, `DROP DATABASE ${template}`);
    await held?.release();
    await rm(folder, { recursive: true });
  };
}

export async function administer(serverUrl: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

export function databaseUrl(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

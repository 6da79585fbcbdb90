import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { built, copyBuild } from './built.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The server of this run, by the URL of its administrative database. */
    serverUrl: string;
    /** The folder of the built project that is tested: `dist`, `migrations` and what they need. */
    root: string;
    /** A database on it that has every migration, to make a file's own database from. */
    template: string;
  }
}

/**
 * One PostgreSQL for the run: the one `DATABASE_URL` names, else an embedded one in a folder of its own.
 * The migrations run once, in a template database.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const root = await copyBuild();
  // As root, PostgreSQL runs under another account, which has to reach it.
  await chmod(root, 0o755);
  const { holdEmbeddedPostgres } = await built<
    typeof import('../../src/database/embedded/embedded-postgres.js')
  >('src/database/embedded/embedded-postgres.js', root);
  const { migrate } = await built<typeof import('../../src/database/migrate.js')>(
    'src/database/migrate.js',
    root,
  );

  const given = process.env.DATABASE_URL;
  const folder = await mkdtemp(join(tmpdir(), 'im-signature-test-'));
  // As root, PostgreSQL runs under another account, which has to reach its data.
  await chmod(folder, 0o755);
  const held = given === undefined ? await holdEmbeddedPostgres(folder) : undefined;
  const serverUrl = given ?? held?.url ?? '';
  const template = `im_signature_template_${randomUUID().replaceAll('-', '')}`;
  await administer(serverUrl, `CREATE DATABASE ${template} ENCODING 'UTF8' TEMPLATE template0`);
  await migrate(databaseUrl(serverUrl, template));
  project.provide('root', root);
  project.provide('serverUrl', serverUrl);
  project.provide('template', template);

  return async () => {
    await administer(serverUrl, `DROP DATABASE ${template}`);
    await held?.release();
    await Promise.all([folder, root].map((made) => rm(made, { recursive: true })));
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

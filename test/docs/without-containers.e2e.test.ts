import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, expect, inject, it } from 'vitest';
import { administer, databaseUrl } from '../support/postgres.setup.js';
import { type Program, run } from '../support/program.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/operating.md'), 'utf8');
const [section = ''] = /^## Without containers\n.*?^## /ms.exec(page) ?? [];
const id = randomUUID().replaceAll('-', '');
/** Names of this run's own instead of those of the page. */
const own = (text: string): string => text.replace(/\bim_(owner|service|signature)\b/g, `im_$1_${id}`);

const serverUrl = inject('serverUrl');
let service: Program | undefined;

afterAll(async () => {
  service?.process.kill();
  await service?.ends();
  await administer(serverUrl, own('DROP DATABASE IF EXISTS im_signature'));
  for (const role of ['im_owner', 'im_service']) await administer(serverUrl, own(`DROP ROLE IF EXISTS ${role}`));
});

it('an operator without containers gets a service that is ready, by a role that only reads', async () => {
  const [, statements = ''] = /```sql\n(.*?)```/s.exec(section) ?? [];
  for (const statement of own(statements).trim().split('\n')) await administer(serverUrl, statement);

  const [, file = ''] = /<<END\n(.*?)^END/ms.exec(section) ?? [];
  const settings = Object.fromEntries(
    file
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s, 2) as [string, string]),
  );
  const urlOf = (url = ''): string => {
    const { username, password } = new URL(own(url));
    return Object.assign(new URL(databaseUrl(serverUrl, own('im_signature'))), { username, password }).href;
  };
  const env = {
    ...settings,
    SECRETS_KEY: `k:${randomBytes(32).toString('base64')}`,
    MIGRATIONS_DIR: inject('registrations'),
    DATABASE_URL: urlOf(settings.DATABASE_URL),
    PORT: '0',
    METRICS_PORT: '0',
  };
  const owner = urlOf(/export DATABASE_URL=(\S+)/.exec(section)?.[1]);
  const migration = run('src/cli/main.js', { ...env, DATABASE_URL: owner }, ['migrate']);
  expect(await migration.ends(), migration.output()).toBe(0);

  const client = new Client({ connectionString: owner });
  await client.connect();
  await client.query(own(/--command="(.*)"/.exec(section)?.[1] ?? ''));
  await client.end();

  service = run('src/main.js', env);
  const [, url = ''] = await service.prints(/Ready on (http:\S+)/);
  expect((await fetch(`${url}/health/ready`)).status).toBe(200);
});

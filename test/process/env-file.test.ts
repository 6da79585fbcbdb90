import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDatabase, type TestDatabase } from '../support/database.js';
import { eachInItsFolder, READY } from '../support/start.js';

const SECRETS_KEY = randomBytes(32).toString('base64');
let database: TestDatabase;

beforeAll(async () => {
  database = await makeDatabase('migrated');
});

afterAll(() => database.drop());

const { folder, startHere } = eachInItsFolder();

const complete = () => `DATABASE_URL=${database.url}\nSECRETS_KEY=${SECRETS_KEY}\nPORT=0\n`;

it.each([
  ['a byte order mark', (text: string) => `\ufeff${text}`],
  ['the line breaks of a classic Mac', (text: string) => text.replaceAll('\n', '\r')],
  [
    'indented comments and blank lines',
    (text: string) => `  # one's\n \t\n${text.replaceAll('\n', '\n\t# a = b\n  \n')}`,
  ],
])('a .env with %s counts from its first line on', async (_, write) => {
  writeFileSync(join(folder(), '.env'), write(complete()));
  const service = startHere({});
  await service.prints(READY);
  expect(service.output()).not.toContain('Ctrl-C stops the service and its database');
  expect(await readdir(folder())).toEqual(['.env']);
});

it('what is no setting counts from .env, too: the commit, and the PG… variables of pg but for PGOPTIONS', async () => {
  writeFileSync(join(folder(), '.env'), `${complete()}GIT_COMMIT=067aa37\nPGOPTIONS=-c search_path=nowhere\n`);
  const service = startHere({});
  await service.prints(READY);
  expect(service.output()).toContain(', commit 067aa37, Node ');

  // Without parameters, which the URL of an embedded PostgreSQL has.
  const text = complete().replace(/\?.*/, '');
  writeFileSync(join(folder(), '.env'), `${text}PGSSLMODE=require\n`);
  const refused = startHere({});
  expect(await refused.ends()).toBe(1);
  expect(refused.output()).toContain('The server does not support SSL connections');
});

const NO_LINE = /^im-signature did not start\. \.env: line \d is not of the form NAME=value\n$/;

it.each([
  [
    'UTF-16 with a byte order mark',
    (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le'),
    /^im-signature did not start\. \.env: it is not UTF-8\n$/,
  ],
  ['UTF-16', (text: string) => Buffer.from(text, 'utf16le'), NO_LINE],
  ['UTF-8 after an invisible space', (text: string) => Buffer.from(`\u200b${text}`), NO_LINE],
  ['UTF-8 after two byte order marks', (text: string) => Buffer.from(`\ufeff\ufeff${text}`), NO_LINE],
])('a .env that is %s stops the start', async (_, encode, line) => {
  writeFileSync(join(folder(), '.env'), encode(complete()));
  const service = startHere({});
  expect(await service.ends()).toBe(1);
  expect(service.output()).toMatch(line);
});

it.each([
  ['a link that leads nowhere', (file: string) => symlink('nowhere', file), 'ENOENT'],
  ['a folder', (file: string) => mkdir(file), 'EISDIR'],
])('a .env that is %s stops the start', async (_, make, code) => {
  await make(join(folder(), '.env'));
  const service = startHere({});
  expect(await service.ends()).toBe(1);
  expect(service.output()).toBe(`im-signature did not start. .env: it cannot be read (${code})\n`);
});

it.each([
  ['in the form of YAML', (url: string) => `DATABASE_URL: ${url}\nSECRETS_KEY: ${SECRETS_KEY}\n`, /line 1 is not/],
  ['in the form of PowerShell', (url: string) => `# it\n$env:DATABASE_URL="${url}"\n`, /line 2 is not/],
  [
    'with a quote that does not end',
    (url: string) => `LOG_LEVEL="info\nDATABASE_URL=${url}\n`,
    /line 1 has a value that begins with a quote/,
  ],
  ['with a quote that does not end', () => 'DATA_DIR="/srv/im/data\n', /line 1 has a value that begins with a quote/],
  ['without a value', () => 'DATABASE_URL\n', /line 1 is not/],
])('a .env %s starts no empty database in production, and is not repeated', async (_, text, fault) => {
  writeFileSync(join(folder(), '.env'), text(database.url));
  const service = startHere({ NODE_ENV: 'production' });
  expect(await service.ends()).toBe(1);
  expect(service.output()).toMatch(fault);
  expect(service.output()).not.toMatch(/postgres:\/\/|=$/m);
  expect(await readdir(folder())).toEqual(['.env']);
});

it('a line of a .env that sets nothing stops the start, also as the last one, and part of a value does not', async () => {
  const text = `MOTTO="first\nsecond # line\nlast" # of another program\n\n# none\nexport PORT=0\n`;
  writeFileSync(join(folder(), '.env'), `${text}DATABASE_URL=${database.url}\nSECRETS_KEY=${SECRETS_KEY}\n`);
  await startHere({}).prints(READY);

  writeFileSync(join(folder(), '.env'), `${text}TRUST_PROXY: 10.0.0.1\n`);
  const refused = startHere({});
  expect(await refused.ends()).toBe(1);
  expect(refused.output()).toBe('im-signature did not start. .env: line 7 is not of the form NAME=value\n');
  expect(await readdir(folder())).toEqual(['.env']);
});

it('the secrets may be in files, of which .env and the environment name one each', async () => {
  writeFileSync(join(folder(), 'url'), `\ufeff${database.url}\r\n`);
  writeFileSync(join(folder(), 'key'), `${SECRETS_KEY}\n`);
  writeFileSync(join(folder(), '.env'), 'DATABASE_URL_FILE=url\nPORT=0\n');
  const service = startHere({ NODE_ENV: 'production', SECRETS_KEY_FILE: join(folder(), 'key') });
  const [, url = ''] = await service.prints(/Ready on (http:[\w.:/-]+)/);
  expect((await fetch(`${url}/health/ready`)).status).toBe(200);
});

it('a secret in .env and the file of it in the environment stop the start', async () => {
  writeFileSync(join(folder(), '.env'), complete());
  const service = startHere({ SECRETS_KEY_FILE: join(folder(), 'key') });
  expect(await service.ends()).toBe(1);
  expect(service.output()).toBe(
    'im-signature did not start. SECRETS_KEY_FILE: SECRETS_KEY is set, too, in the environment or in .env; set one of them\n',
  );
});

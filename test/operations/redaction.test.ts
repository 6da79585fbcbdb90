import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leaksIn } from '../support/recorded.js';

const KEY = Buffer.alloc(32, 7);
const SECRET = 'a "secret" in plain sight';
const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.gGCz4-w0rUNat0T7NzCNaaQFHYJJZES';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'im-signature-redaction-'));
  const secrets = [KEY.toString('base64'), SECRET, TOKEN].map((secret) => `${JSON.stringify(secret)}\n`);
  await writeFile(join(folder, '1.secrets'), secrets.join(''));
});

afterEach(() => rm(folder, { recursive: true }));

async function leaks(output: string): Promise<string[]> {
  await writeFile(join(folder, '2.output'), `first\n${output}\nlast\n`);
  return (await leaksIn(folder)).leaks;
}

it.each([
  ['a key in base64', KEY.toString('base64')],
  ['a key in hex', KEY.toString('hex')],
  ['a secret as it is', SECRET],
  ['a secret in JSON', JSON.stringify({ SECRET })],
  ['a secret in base64', Buffer.from(SECRET).toString('base64')],
  ['a token', TOKEN],
  ['the signature of a token', 'gGCz4-w0rUNat0T7NzCNaaQFHYJJZES'],
  ['the claims of a token', 'eyJzdWIiOiJhbGljZSJ9'],
])('the check of the whole output finds %s', async (_, leaked) => {
  const found = await leaks(`key=${leaked} in a line`);
  expect(found).not.toEqual([]);
  expect(found[0]).toMatch(/^key=.*\(a secret\).* in a line$/);
});

it('the check of the whole output finds nothing where nothing is', async () => {
  expect(await leaks('identity_invalid eyJhbGciOiJIUzI1NiJ9')).toEqual([]);
});

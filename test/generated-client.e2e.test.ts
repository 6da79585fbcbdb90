import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import openapiTS, { astToString } from 'openapi-typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runProgram } from './support/program.js';
import { startService, type TestService } from './support/service.js';
import { type Answer, hmac, messageOf } from './support/signature.js';

const MODULES = join(import.meta.dirname, '../node_modules');

/** What a client developer writes against the generated types. Where it expects an error, the types have to have one. */
const CLIENT = `
import createClient from 'openapi-fetch';
import type { paths } from './api.js';

const client = createClient<paths>({ baseUrl: process.argv[2] ?? '' });
const path = { app_id: '1', client_id: 'alice', conversion_id: 'c1' };
const format = 'sdk';

const signed = await client.GET('/signature/invite/{app_id}/{client_id}/{conversion_id}/{sorted_member_ids}', {
  params: { path: { ...path, sorted_member_ids: 'bob:carol' }, query: { format } },
});
const joined = await client.GET('/signature/invite/{app_id}/{client_id}/{conversion_id}', { params: { path } });
const refused = await client.GET('/signature/conversion/{app_id}/{client_id}/{sorted_member_ids}', {
  params: { path: { app_id: '1', client_id: 'alice', sorted_member_ids: '9:10' } },
});
if (signed.data === undefined || joined.data === undefined || refused.error === undefined) throw new Error('unexpected');
const nonce: string = signed.data.nonce;
const action: 'invite' = joined.data.action;
const isOrder: boolean = refused.error.code === 'members_not_sorted';

// @ts-expect-error a misspelt field
signed.data.sorted_members;
// @ts-expect-error a code that opening a conversation never has
refused.error.code === 'conversation_full';
// @ts-expect-error a path without its client
await client.GET('/signature/login/{app_id}/{client_id}', { params: { path: { app_id: '1' } } }).catch(() => undefined);

process.stdout.write(JSON.stringify([signed.data, joined.data, { nonce, action, isOrder }]));
`;

let service: TestService;
let folder: string;

beforeAll(async () => {
  service = await startService();
  folder = await mkdtemp(join(tmpdir(), 'im-signature-client-'));
  await mkdir(join(folder, 'out'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await service.close();
});

it('a client generated from the API document compiles and gets signatures', async () => {
  const types = astToString(await openapiTS(new URL(`${service.url}/openapi.json`)));
  await symlink(MODULES, join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'api.ts'), types);
  await writeFile(join(folder, 'client.ts'), CLIENT);

  const options = [
    '--strict',
    '--skipLibCheck',
    '--target',
    'es2023',
    '--module',
    'nodenext',
    '--types',
    'node',
    '--outDir',
    'out',
  ];
  const tsc = runProgram(process.execPath, [join(MODULES, 'typescript/bin/tsc'), ...options, 'client.ts'], {}, folder);
  expect([await tsc.ends(), tsc.output()]).toEqual([0, '']);

  const client = runProgram(process.execPath, ['out/client.js', service.url], {}, folder);
  expect(await client.ends(), client.stderr()).toBe(0);
  const [signed, joined, read] = JSON.parse(client.stdout()) as [Answer, Answer, object];
  expect(signed).toMatchObject({ client_id: 'alice', conversion_id: 'c1', sorted_member_ids: 'bob:carol' });
  expect(Number.isInteger(signed.timestamp)).toBe(true);
  for (const answer of [signed, joined]) expect(answer.signature).toBe(hmac(messageOf(answer), 'demo-master-key'));
  expect(read).toEqual({ nonce: signed.nonce, action: 'invite', isOrder: true });
});

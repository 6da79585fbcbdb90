import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from './support/free-port.js';
import { startService, type TestService } from './support/service.js';
import { type Answer, hmac, messageOf } from './support/signature.js';

const isInstalled = spawnSync('nginx', ['-v']).status === 0;
if (!isInstalled) process.stdout.write('nginx is not installed: its tests are skipped\n');

const ROOT = join(import.meta.dirname, '..');
const readText = (file: string) => readFile(join(ROOT, file), 'utf8');

/** The configuration that docs/operating.md gives. */
async function documentedConfig(folder: string): Promise<string> {
  const config = /```nginx\n(.*?)```/s.exec(await readText('docs/operating.md'))?.[1] ?? '';
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `pid ${folder}/pid; error_log ${folder}/error.log; events {} http { access_log off; ${paths.join(' ')} ${config} }`;
}

/** The one of docker compose. */
async function composedConfig(folder: string): Promise<string> {
  return (await readText('deploy/compose/nginx.conf')).replaceAll('/tmp/', `${folder}/`);
}

describe.runIf(isInstalled).each([
  ['the documentation', documentedConfig],
  ['docker compose', composedConfig],
])('behind nginx as %s configures it,', (_whose, configIn) => {
  let service: TestService;
  let folder: string;
  let nginx: ReturnType<typeof spawn>;
  let url: string;

  beforeAll(async () => {
    service = await startService();
    await service.registerApp('shop', 'a-key-in-plain-sight');
    folder = await mkdtemp(join(tmpdir(), 'im-signature-nginx-'));
    await chmod(folder, 0o755);
    const port = await freePort();
    const config = (await configIn(folder))
      .replace('listen 8080', `listen 127.0.0.1:${port}`)
      .replace(/server (127\.0\.0\.1|api):3000/, `server ${new URL(service.url).host}`);
    await writeFile(join(folder, 'nginx.conf'), config);
    const args = ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log'), '-g', 'daemon off;'];
    nginx = spawn('nginx', args, { stdio: 'ignore' });
    url = `http://127.0.0.1:${port}`;
    await vi.waitUntil(
      () =>
        new Promise<boolean>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => {
            socket.destroy();
            resolve(true);
          }).on('error', () => {
            resolve(false);
          });
        }),
      { timeout: 30_000 },
    );
  });

  afterAll(async () => {
    const ended = once(nginx, 'exit');
    nginx.kill('SIGQUIT');
    await ended;
    await service.close();
    await rm(folder, { recursive: true });
  });

  it.each([
    ['a slash in an id', 'a%2Fb', 'a/b'],
    ['two slashes in an id', 'a%2F%2Fb', 'a//b'],
    ['a percent sign in an id', '100%25', '100%'],
    ['a space and Chinese characters', '%E5%BA%97%20%E9%95%BF', '店 长'],
    ['a dot before a slash', '..%2Fb', '../b'],
  ])('%s arrives as it was sent', async (_what, encoded, id) => {
    const answer = (await (await fetch(`${url}/signature/conversion/shop/${encoded}`)).json()) as Answer;
    expect(answer).toMatchObject({ client_id: id, sorted_member_ids: '' });
    expect(answer.signature).toBe(hmac(messageOf(answer), 'a-key-in-plain-sight'));
  });

  it('a join with the slash at its end arrives as one', async () => {
    const answer = (await (await fetch(`${url}/signature/invite/shop/alice/c/`)).json()) as Answer;
    expect(answer).toMatchObject({ action: 'invite', sorted_member_ids: '' });
  });

  it('every path of the API reaches the service', async () => {
    const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as { paths: Record<string, object> };
    for (const [path, methods] of Object.entries(document.paths)) {
      if (!('get' in methods)) continue;
      const response = await fetch(url + path.replace('{app_id}', 'shop').replaceAll(/\{\w+\}/g, 'a'));
      expect(response.status, path).toBe(200);
    }
  });

  it('500 members of 64 characters, with a long token, get their signature', async () => {
    const members = Array.from({ length: 500 }, (_, n) => `m${String(n).padStart(63, '0')}`).join(':');
    const headers = { authorization: `Bearer ${'x'.repeat(12_000)}` };
    const response = await fetch(`${url}/signature/conversion/shop/alice/${members}`, { headers });
    const answer = (await response.json()) as Answer;
    expect(answer.sorted_member_ids).toBe(members);
    expect(answer.signature).toBe(hmac(messageOf(answer), 'a-key-in-plain-sight'));
  });
});

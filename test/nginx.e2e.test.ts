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

/** The configuration that docs/operating.md gives, on other ports. */
async function documentedConfig(listen: number, service: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '../docs/operating.md'), 'utf8');
  const config = /```nginx\n(.*?)```/s.exec(text)?.[1] ?? '';
  return config.replace('listen 8080', `listen 127.0.0.1:${listen}`).replace('127.0.0.1:3000', new URL(service).host);
}

describe.runIf(isInstalled)('behind nginx as the documentation configures it,', () => {
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
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    );
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
       events {} http { access_log off; ${paths.join(' ')} ${await documentedConfig(port, service.url)} }`,
    );
    nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], { stdio: 'ignore' });
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

  it('500 members of 64 characters, with a long token, get their signature', async () => {
    const members = Array.from({ length: 500 }, (_, n) => `m${String(n).padStart(63, '0')}`).join(':');
    const headers = { authorization: `Bearer ${'x'.repeat(12_000)}` };
    const response = await fetch(`${url}/signature/conversion/shop/alice/${members}`, { headers });
    const answer = (await response.json()) as Answer;
    expect(answer.sorted_member_ids).toBe(members);
    expect(answer.signature).toBe(hmac(messageOf(answer), 'a-key-in-plain-sight'));
  });
});

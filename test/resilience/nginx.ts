import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { freePort } from '../support/free-port.js';

export const hasNginx = spawnSync('nginx', ['-v']).status === 0;
if (!hasNginx) process.stdout.write('nginx is not installed: its tests are skipped\n');

export interface Nginx {
  readonly url: string;
  close(): Promise<void>;
}

/** nginx as docs/operating.md configures it for several replicas, which listen on these ports. */
export async function startNginx(ports: readonly number[]): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'im-signature-nginx-'));
  await chmod(folder, 0o755);
  const port = await freePort();
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const file = join(folder, 'nginx.conf');
  await writeFile(
    file,
    `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
     events {} http { access_log off; ${paths.join(' ')} ${await documentedConfig(port, ports)} }`,
  );
  const nginx = spawn('nginx', ['-c', file, '-e', join(folder, 'error.log')], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  const answers = () => fetch(url).then(() => true);
  await vi.waitUntil(() => answers().catch(() => false), { timeout: 30_000 });
  return {
    url,
    async close() {
      const ended = once(nginx, 'exit');
      nginx.kill('SIGQUIT');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** The first block of the page, with what the second one has instead of its `upstream`, on other ports. */
async function documentedConfig(listen: number, ports: readonly number[]): Promise<string> {
  const page = await readFile(join(import.meta.dirname, '../../docs/operating.md'), 'utf8');
  const [one = '', several = ''] = Array.from(page.matchAll(/```nginx\n(.*?)```/gs), ([, text = '']) => text);
  const [server = ''] = /server 127.*;/.exec(several) ?? [];
  const servers = ports.map((port) => server.replace('3000', String(port)));
  return one
    .replace(/upstream im_signature \{.*?\}/s, several)
    .replace(/(server 127.*;\s*)+/, servers.join(' '))
    .replace('listen 8080', `listen 127.0.0.1:${listen}`);
}

import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RtmServer, startRtmServer } from '../support/rtm-server.js';
import { startService, type TestService } from '../support/service.js';

const EXAMPLE = resolve(import.meta.dirname, '../../examples/node/main.js');
const run = promisify(execFile);

describe('the example for Node', () => {
  let service: TestService;
  let rtm: RtmServer;
  beforeAll(async () => {
    service = await startService();
    rtm = await startRtmServer({ appId: '1', masterKey: 'demo-master-key' });
  });
  afterAll(async () => {
    await rtm.close();
    await service.close();
  });

  const start = (env: Record<string, string> = {}) => {
    const servers = { SERVICE: service.url, RTM_SERVER: `ws://127.0.0.1:${rtm.port}` };
    return run(process.execPath, [EXAMPLE], { env: { PATH: process.env.PATH, ...servers, ...env }, timeout: 30_000 });
  };

  it('logs in, opens a conversation and leaves it', async () => {
    const { stdout, stderr } = await start();
    expect(stdout).toMatch(/^alice opened [0-9a-f]{24} with alice, bob\n$/);
    expect(stderr).toBe('');
    expect(rtm.accepted).toEqual(['session/open', 'conv/start', 'conv/remove']);
  });

  it('says why the service refuses', async () => {
    await expect(start({ APP_ID: 'unregistered' })).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^log in as alice: app_not_found: No app is registered under this id\. [-0-9a-f]{36}\n/,
      ) as string,
    });
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { build, preview, type PreviewServer } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, newVisit, startBrowser } from '../support/browser.js';
import { freePort } from '../support/free-port.js';
import { type RtmServer, startRtmServer } from '../support/rtm-server.js';
import { startService, type TestService } from '../support/service.js';

const EXAMPLE = resolve(import.meta.dirname, '../../examples/browser');

describe.runIf(hasBrowser).each([
  ['4.3.1', 'leancloud-realtime'],
  ['5.0.0-rc.8', 'leancloud-realtime-5'],
])('the example page in Chromium, with leancloud-realtime %s', (_, sdk) => {
  let folder: string;
  let page: PreviewServer;
  let address: string;
  let service: TestService;
  let rtm: RtmServer;
  let browser: Browser;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'im-signature-example-'));
    const options = {
      root: EXAMPLE,
      logLevel: 'error',
      build: { outDir: folder, emptyOutDir: true },
      resolve: { alias: { 'leancloud-realtime': sdk } },
    } as const;
    await build(options);
    const port = await freePort();
    page = await preview({ ...options, preview: { host: 'localhost', port, strictPort: true } });
    address = `http://localhost:${port}`;
    service = await startService({ CORS_ORIGINS: address });
    rtm = await startRtmServer({ appId: '1', masterKey: 'demo-master-key' });
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await rtm.close();
    await service.close();
    await page.close();
    await rm(folder, { recursive: true });
  });

  async function logIn(clientId: string, token = ''): Promise<string> {
    const { page } = await newVisit(browser, { width: 800, height: 600 });
    await page.goto(address);
    await page.getByLabel('Service').fill(service.url);
    await page.getByLabel('Messaging server').fill(`ws://127.0.0.1:${rtm.port}`);
    await page.getByLabel('Client').fill(clientId);
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button').click();
    const said = page.locator('output:not(:empty)');
    await said.waitFor();
    return said.innerText();
  }

  it('logs in and opens a conversation', async () => {
    const said = await logIn('小明');
    expect(said).toMatch(/^小明 opened [0-9a-f]{24} with bob, 小明$/);
    expect(rtm.accepted).toEqual(['session/open', 'conv/start']);
    expect(rtm.refused).toEqual([]);
  });

  it('does so with a token, which a browser first asks leave to send', async () => {
    expect(await logIn('alice', 'a-token')).toMatch(/^alice opened /);
  });

  it("shows the service's reason for a refusal", async () => {
    await service.database.query(`INSERT INTO client_bans (app_id, client_id, reason) VALUES ('1', 'mallory', 'spam')`);
    expect(await logIn('mallory')).toContain('log in as mallory: client_banned: The client is banned from this app');
  });
});

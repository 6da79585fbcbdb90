import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACTIONS } from '../../src/signature/actions.js';
import { hasBrowser, newVisit, startBrowser, type Visit } from '../support/browser.js';
import { startService, type TestService } from '../support/service.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';

describe.runIf(hasBrowser)('the page /docs in a browser', () => {
  let service: TestService;
  let browser: Browser;

  beforeAll(async () => {
    service = await startService();
    await service.registerApp('shop', 'a-key-in-plain-sight');
    browser = await startBrowser();
  });

  afterAll(async () => {
    await browser.close();
    await service.close();
  });

  async function open(width: number): Promise<Visit> {
    const visit = await newVisit(browser, { width, height: 900 });
    await visit.page.goto(`${service.url}/docs`);
    await visit.page.locator('.opblock').first().waitFor();
    return visit;
  }

  describe.each([
    ['on a desktop', 1280],
    ['on a phone', 375],
  ])('%s', (_where, width) => {
    it('shows the API and fits, under its own policy, and asks this service only', async () => {
      const { page, faults, origins } = await open(width);
      const paths = await page.locator('.opblock-summary-path').allTextContents();
      for (const action of Object.keys(ACTIONS)) {
        expect(paths).toContainEqual(expect.stringMatching(`^/signature/${action}\\W*/`));
      }
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      expect(faults).toEqual([]);
      expect([...origins]).toEqual([service.url]);
      await page.context().close();
    });

    it('a signature can be asked for', async () => {
      const { page, faults, origins } = await open(width);
      const login = page.locator('#operations-signature-login');
      await login.locator('.opblock-summary-control').click();
      await login.getByRole('button', { name: 'Try it out' }).click();
      await login.getByPlaceholder('app_id').fill('shop');
      await login.getByPlaceholder('client_id').fill('店 长');
      await login.getByRole('button', { name: 'Execute' }).click();
      const answer = JSON.parse(await login.locator('.live-responses-table pre').nth(0).innerText()) as Answer;
      expect(answer).toMatchObject({ app_id: 'shop', client_id: '店 长' });
      expect(answer.signature).toBe(hmac(messageOf(answer), 'a-key-in-plain-sight'));
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      expect(faults).toEqual([]);
      expect([...origins]).toEqual([service.url]);
      await page.context().close();
    });
  });

  it('stops a script that somebody put into it, and what would be sent elsewhere', async () => {
    const { page, faults, origins } = await open(1280);
    await page.evaluate(`
      const script = document.createElement('script');
      script.textContent = 'document.title = "taken over"';
      document.body.append(script);
      // The last value: it is waited for.
      fetch('http://127.0.0.1:9/').catch(() => undefined);
    `);
    expect(await page.title()).toBe('im-signature');
    expect(faults).toContainEqual(expect.stringContaining('script-src'));
    expect(faults).toContainEqual(expect.stringContaining('connect-src'));
    expect([...origins]).toEqual([service.url]);
    await page.context().close();
  });
});

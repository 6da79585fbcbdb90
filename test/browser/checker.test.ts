import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, newVisit, startBrowser, type Visit } from '../support/browser.js';
import { startService, type TestService } from '../support/service.js';
import { hmac } from '../support/signature.js';

const KEY = 'a-key-in-plain-sight';
const MAX_BYTES = 30 * 1024;

let service: TestService;

beforeAll(async () => {
  service = await startService();
  await service.registerApp('shop', KEY);
});

afterAll(async () => {
  await service.close();
});

it('the page /checker is under 30 KB in all', async () => {
  const read = async (path: string) => (await fetch(service.url + path)).text();
  const page = await read('/checker');
  const paths = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path = '']) => path);
  expect(paths).toHaveLength(3);
  const files = [page, ...(await Promise.all(paths.map(read)))];
  for (const file of files) expect(file).not.toContain('"status":404');
  expect(files.reduce((bytes, file) => bytes + Buffer.byteLength(file), 0)).toBeLessThan(MAX_BYTES);
});

it('has no other file', async () => {
  expect(await (await fetch(`${service.url}/checker/page.ts`)).json()).toMatchObject({ code: 'route_not_found' });
});

describe.runIf(hasBrowser)('the page /checker in a browser', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await startBrowser();
  });

  afterAll(async () => {
    await browser.close();
  });

  async function open(width = 1280, locale = 'en-US'): Promise<Visit> {
    const visit = await newVisit(browser, { width, height: 900 }, locale);
    await visit.page.goto(`${service.url}/checker`);
    return visit;
  }

  async function expectAccessible(page: Page): Promise<void> {
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate<axe.AxeResults>('axe.run()');
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  }

  async function expectNoFault({ page, faults, origins }: Visit): Promise<void> {
    expect(faults).toEqual([]);
    expect([...origins]).toEqual([service.url]);
    await page.context().close();
  }

  /** An invite whose members were signed as they were sent. */
  function unsorted(timestamp: string): string {
    return hmac(`shop:alice:c1:9:10:小明:${timestamp}:cdXsciFc:invite`, KEY);
  }

  const ENGLISH = {
    locale: 'en-US',
    labels: ['Action', 'App id', 'Client id', 'Conversation id', 'Members', 'Timestamp', 'Nonce', 'Signature'],
    submit: 'Check the signature',
    legend: ['app id', 'client id', 'conversation id', 'members', 'timestamp', 'nonce', 'action'],
    verdict: /Wrong/,
    sentence: /^The member ids were signed in another order/,
  };
  const CHINESE = {
    locale: 'zh-CN',
    labels: ['操作', 'App id', 'Client id', '对话 id', '成员', '时间戳', 'Nonce', '签名'],
    submit: '检查签名',
    legend: ['App id', 'Client id', '对话 id', '成员', '时间戳', 'Nonce', '操作'],
    verdict: /有误/,
    sentence: /^签名时，成员没有按 UTF-16 码元升序排列/,
  };

  describe.each([
    ['in English', ENGLISH],
    ['in Chinese', CHINESE],
  ])('%s', (_language, { locale, labels, submit, legend, verdict, sentence }) => {
    it.each([
      ['on a desktop', 1280],
      ['on a phone', 375],
    ])('shows what has to be signed, and names the mistake: %s', async (_where, width) => {
      const visit = await open(width, locale);
      const { page } = visit;
      expect(await page.locator('html').getAttribute('lang')).toBe(locale.replace('-US', ''));
      const timestamp = String(Date.now());
      const values = ['', 'shop', 'alice', 'c1', '9\n10\n小明', timestamp, 'cdXsciFc', unsorted(timestamp)];
      for (const [index, label] of labels.entries()) {
        const field = page.getByLabel(label, { exact: true });
        if (index === 0) await field.selectOption('invite');
        else await field.fill(values[index] ?? '');
      }
      expect(await page.locator('#message').textContent()).toBe(`shop:alice:c1:10:9:小明:${timestamp}:cdXsciFc:invite`);
      expect(await page.locator('#legend b').allTextContents()).toEqual(legend);
      await page.getByRole('button', { name: submit }).click();
      const answer = page.getByRole('status');
      await answer.getByRole('heading', { name: verdict }).waitFor();
      expect(await answer.getByRole('listitem').first().textContent()).toMatch(sentence);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      await expectAccessible(page);
      await expectNoFault(visit);
    });
  });

  it('is used by keyboard only, and the verdict is where the keyboard is then', async () => {
    const visit = await open();
    const { keyboard } = visit.page;
    const timestamp = String(Date.now());
    // Past the switch of the language.
    for (const typed of ['', 'invite', 'shop', 'alice', 'c1', '小明', timestamp, 'cdXsciFc']) {
      await keyboard.press('Tab');
      await keyboard.type(typed);
    }
    await keyboard.press('Tab');
    await keyboard.type(hmac(`shop:alice:c1:小明:${timestamp}:cdXsciFc:invite`, KEY));
    await keyboard.press('Enter');
    await visit.page.getByRole('heading', { name: 'Right' }).waitFor();
    expect(await visit.page.evaluate('document.activeElement.id')).toBe('verdict');
    await expectNoFault(visit);
  });

  it('an answer of the service is pasted, and the language switched: what was entered and the verdict stay', async () => {
    const visit = await open();
    const { page } = visit;
    const answer = await (await fetch(`${service.url}/signature/conversion/shop/alice/10:9?format=sdk`)).text();
    await page.evaluate(`
      const clipboardData = new DataTransfer();
      clipboardData.setData('text', ${JSON.stringify(answer)});
      document.getElementById('nonce').dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
    `);
    expect(await page.getByLabel('Members').inputValue()).toBe('10\n9');
    await page.getByRole('button', { name: 'Check the signature' }).click();
    await page.getByRole('heading', { name: 'Right' }).waitFor();
    await page.getByRole('button', { name: '中文' }).click();
    expect(await page.getByRole('status').innerText()).toMatch(/正确\n+签名正确：/);
    expect(await page.getByLabel('操作').inputValue()).toBe('conversion');
    // What is no longer asked is no longer answered.
    await page.getByLabel('成员').fill('10');
    expect(await page.getByRole('status').textContent()).toBe('');
    await expectNoFault(visit);
  });

  it('members with commas are split where they are several', async () => {
    const visit = await open();
    const { page } = visit;
    await page.getByLabel('Action').selectOption('conversion');
    await page.getByLabel('Members').fill('bob, alice');
    await page.getByRole('button', { name: 'Split at commas' }).click();
    expect(await page.getByLabel('Members').inputValue()).toBe('bob\nalice');
    expect(await page.locator('#message .members').textContent()).toBe('alice:bob');
    expect(await page.getByRole('button', { name: 'Split at commas' }).isVisible()).toBe(false);
    await expectNoFault(visit);
  });

  it('a refusal is told in words, in either language', async () => {
    const visit = await open();
    const { page, faults } = visit;
    await page.getByLabel('App id').fill('shpo');
    await page.getByLabel('Client id').fill('alice');
    await page.getByRole('button', { name: 'Check the signature' }).click();
    await page.getByRole('heading', { name: 'The service did not check it' }).waitFor();
    expect(await page.getByRole('status').textContent()).toContain('No app is registered under this id.');
    await page.getByRole('button', { name: '中文' }).click();
    expect(await page.getByRole('status').textContent()).toContain('本服务中没有这个应用。');
    // The browser itself tells of the answer 404.
    expect(faults.splice(0)).toEqual([expect.stringContaining('404')]);
    await expectNoFault(visit);
  });
});

import { describe, expect, it } from 'vitest';
import { createSigner, wechatFetch } from '../../clients/js/src/index.js';
import { freePort } from '../support/free-port.js';
import { cutOff, neverEnd, refused, SIGNATURE, SIGNED, startToldServer, type Told } from '../support/told-server.js';
import { type HeaderCase, wechat } from '../support/wechat.js';
import { refusalOf } from './refusal-of.js';

async function start(
  told: Told[],
  { headerCase, timeoutMs = 10_000 }: { headerCase?: HeaderCase; timeoutMs?: number } = {},
) {
  const { url, requests } = await startToldServer(...told);
  const wx = wechat(headerCase);
  const sign = createSigner({
    baseUrl: url,
    appId: 'shop',
    getToken: () => 'a-token',
    fetch: wechatFetch(wx),
    timeoutMs,
  });
  return { login: () => sign({ action: 'login', clientId: '小明' }), requests, wx };
}

describe('in a mini program', () => {
  it('a signature comes through wx.request', async () => {
    const { login, requests } = await start([SIGNED]);
    expect(await login()).toEqual(SIGNATURE);
    expect(requests[0]).toMatchObject({
      url: '/signature/login/shop/%E5%B0%8F%E6%98%8E?format=sdk',
      headers: { authorization: 'Bearer a-token' },
    });
  });

  it('a refusal, which wx.request takes for a success, is a refusal', async () => {
    const { login } = await start([refused(403, 'client_banned')]);
    expect(await refusalOf(login())).toMatchObject({
      message: 'log in as 小明: client_banned: Because.',
      status: 403,
      request_id: 'e4d14788',
    });
  });

  it.each<[string, HeaderCase]>([
    ['retry-after', (name) => name],
    ['Retry-After', (name) => name.replace(/\b\w/g, (letter) => letter.toUpperCase())],
    ['RETRY-AFTER', (name) => name.toUpperCase()],
  ])('Retry-After is heeded when it is written %s', async (_, headerCase) => {
    const { login, requests } = await start([refused(429, 'rate_limited', { 'retry-after': '3600' }), SIGNED], {
      headerCase,
    });
    expect(await refusalOf(login())).toMatchObject({ code: 'rate_limited' });
    expect(requests).toHaveLength(1);
  });

  it('a lost connection is asked for again', async () => {
    const { login, requests } = await start([cutOff, refused(503, 'unavailable'), SIGNED]);
    expect(await login()).toEqual(SIGNATURE);
    expect(requests).toHaveLength(3);
  });

  it('a failure is told in the words of WeChat', async () => {
    const fetch = wechatFetch(wechat());
    const sign = createSigner({ baseUrl: `http://127.0.0.1:${await freePort()}`, appId: 'shop', fetch, retries: 0 });
    const { message } = await refusalOf(sign({ action: 'login', clientId: 'alice' }));
    expect(message).toMatch(/^log in as alice: network_error: request:fail connect ECONNREFUSED/);
  });

  it('a page that is no JSON is not taken for an answer', async () => {
    const { login } = await start([{ status: 502, body: '<h1>Bad Gateway</h1>' }]);
    expect(await refusalOf(login())).toMatchObject({ code: 'unexpected_answer', status: 502 });
  });

  it('WeChat, too, is told to give up in time', async () => {
    const { login, wx } = await start([neverEnd], { timeoutMs: 300 });
    expect(await refusalOf(login())).toMatchObject({ code: expect.stringMatching(/timeout|network_error/) as string });
    expect(wx.requests[0]?.timeout).toBeGreaterThan(0);
    expect(wx.requests[0]?.timeout).toBeLessThanOrEqual(300);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendBytes } from './support/raw-request.js';
import { startService, type TestService } from './support/service.js';

let service: TestService;

beforeAll(async () => {
  service = await startService();
});

afterAll(async () => {
  await service.close();
});

/** Read to its end: the service would wait for whoever does not. */
async function answer(path: string, method = 'GET'): Promise<Response> {
  const response = await fetch(service.url + path, { method });
  await response.arrayBuffer();
  return response;
}

const LOCKED = "default-src 'none'; frame-ancestors 'none'";

describe('every answer is what it says it is, and for no frame', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/signature/login/1/a'],
    ['HEAD', '/signature/login/1/a'],
    ['OPTIONS', '/signature/login/1/a'],
    ['POST', '/signature/login/1/a'],
    ['GET', '/signature/login/1/a:b'],
    ['GET', '/signature/login/1/%ff'],
    ['GET', '/openapi.json'],
    ['GET', '/nothing'],
  ])('%s %s', async (method, path) => {
    const { headers } = await answer(path, method);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe(LOCKED);
  });

  it.each(['garbage\r\n\r\n', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 'OPTIONS * HTTP/1.0\r\n\r\n'])(
    'the answer to %j',
    async (bytes) => {
      const [head] = (await sendBytes(service.url, bytes)).split('\r\n\r\n');
      expect(head).toMatch(/^x-content-type-options: nosniff$/im);
      expect(head).toMatch(/^x-request-id: /im);
      expect(head).toContain(LOCKED);
    },
  );
});

describe('the pages /docs and /checker', () => {
  it.each([
    '/docs',
    '/docs/swagger-ui-bundle.js',
    '/docs/swagger-ui.css',
    '/checker',
    '/checker/page.js',
    '/checker/page.css',
  ])('runs scripts of this service only, and sends nothing elsewhere: %s', async (path) => {
    const { headers } = await answer(path);
    const policy = new Map(
      (headers.get('content-security-policy') ?? '').split('; ').map((directive) => {
        const [name = '', ...sources] = directive.split(' ');
        return [name, sources.join(' ')];
      }),
    );
    expect(policy.get('default-src')).toBe("'none'");
    expect(policy.get('script-src')).toBe("'self'");
    expect(policy.get('connect-src')).toBe("'self'");
    for (const name of ['base-uri', 'form-action', 'frame-ancestors']) expect(policy.get(name)).toBe("'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });

  it.each(['/docs', '/checker'])('have no script in their text, which that would stop: %s', async (path) => {
    const page = await (await fetch(service.url + path)).text();
    expect(page).toMatch(/<script [^>]*src=/);
    expect(page).not.toMatch(/<script(?! [^>]*src=)|\son\w+=|javascript:/);
  });

  it.each(['/checker', '/checker/page.js', '/checker/page.css'])('nothing inline is allowed at %s', async (path) => {
    expect((await answer(path)).headers.get('content-security-policy')).not.toContain('unsafe');
  });
});

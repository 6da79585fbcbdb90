import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { runInNewContext } from 'node:vm';
import { Linter } from 'eslint';
import { describe, expect, it } from 'vitest';
import type * as Client from '../../clients/js/src/index.js';
import { SIGNATURE, startToldServer } from '../support/told-server.js';
import { wechat } from '../support/wechat.js';

const PACKAGE = resolve(import.meta.dirname, '../../clients/js');
const COMMONJS = join(PACKAGE, 'dist/cjs/index.js');
/** What JavaScript itself has, and the timers: a mini program has no more, and a `wx` of its own. */
const MINI_PROGRAM = { setTimeout, clearTimeout };

/** What the package exports where there is nothing but these globals. */
function loadWhereThereIs(globals: Record<string, unknown>): typeof Client {
  const exports = {};
  runInNewContext(readFileSync(COMMONJS, 'utf8'), { exports, ...globals });
  return exports as typeof Client;
}

describe('the built package', () => {
  it('exports the same to import and to require', async () => {
    const name = 'im-signature-client';
    const imported = (await import(name)) as object;
    const required = createRequire(import.meta.url)(name) as object;
    expect(required).not.toBe(imported);
    expect(Object.keys(imported).sort()).toEqual([
      'SignatureError',
      'createClient',
      'createSignatureFactories',
      'createSigner',
      'wechatFetch',
    ]);
    expect(Object.keys(required).sort()).toEqual(Object.keys(imported).sort());
  });

  it('depends on no other package', () => {
    const { dependencies, peerDependencies } = JSON.parse(
      readFileSync(join(PACKAGE, 'package.json'), 'utf8'),
    ) as Record<string, unknown>;
    expect([dependencies, peerDependencies]).toEqual([undefined, undefined]);
    expect(readFileSync(COMMONJS, 'utf8')).not.toMatch(/\brequire\(/);
  });

  it('is written in ES2017, and in what an old phone has', () => {
    const allowed = ['exports', 'setTimeout', 'clearTimeout', 'fetch', 'AbortController'];
    const faults = new Linter().verify(readFileSync(COMMONJS, 'utf8'), {
      languageOptions: {
        ecmaVersion: 2017,
        sourceType: 'script',
        globals: Object.fromEntries(allowed.map((name) => [name, false])),
      },
      rules: { 'no-undef': 'error' },
    });
    expect(faults).toEqual([]);
  });

  it('signs in a mini program, without fetch, URL, Headers and AbortController', async () => {
    const { createSignatureFactories, wechatFetch } = loadWhereThereIs(MINI_PROGRAM);
    const { url, requests } = await startToldServer();
    const factories = createSignatureFactories({ baseUrl: url, appId: 'shop', fetch: wechatFetch(wechat()) });
    expect(await factories.signatureFactory('alice')).toEqual(SIGNATURE);
    expect(requests[0]?.url).toBe('/signature/login/shop/alice?format=sdk');
  });

  it('says what to do where there is no fetch', () => {
    const { createSignatureFactories } = loadWhereThereIs(MINI_PROGRAM);
    expect(() => createSignatureFactories({ baseUrl: '', appId: 'shop' })).toThrow('pass one, such as wechatFetch(wx)');
  });

  it('signs in a browser without AbortController', async () => {
    const { createSignatureFactories } = loadWhereThereIs({ ...MINI_PROGRAM, fetch });
    const { url } = await startToldServer();
    expect(await createSignatureFactories({ baseUrl: url, appId: 'shop' }).signatureFactory('alice')).toEqual(
      SIGNATURE,
    );
  });
});

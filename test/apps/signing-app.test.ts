import { expect, it } from 'vitest';
import { masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import { type SigningApp, signingApp } from '../../src/apps/signing-app.js';

const SEALING_KEYS = new Map([['default', Buffer.alloc(32, 7)]]);
const NOW = Date.UTC(2027, 0, 1);

/** A time that PostgreSQL has and JavaScript's Date has not. */
const YEAR_290000 = 9_089_000_000_000_000;

/** A version of the master key, whose text is its version. */
const key = (version: number, secondsFromNow: number) => ({
  version,
  activeFrom: Math.min(NOW + secondsFromNow * 1000, YEAR_290000),
  sealedKey: seal(String(version), masterKeyPurpose('shop', version), SEALING_KEYS),
});

function appWith(masterKeys: readonly object[]): SigningApp {
  return signingApp(JSON.stringify({ appId: 'shop', masterKeys }), { monotonic: 0, wall: 0 }, SEALING_KEYS);
}

it.each([
  ['the only one', [key(1, -10)], 1],
  ['the latest that has begun', [key(1, -10), key(2, -5)], 2],
  ['the latest that has begun, in whatever order they come', [key(2, -5), key(1, -10)], 2],
  ['not one in the future', [key(1, -10), key(2, 1)], 1],
  ['one that begins now', [key(1, -10), key(2, 0)], 2],
  ['the latest by time and not by version', [key(1, -5), key(2, -10)], 1],
  ['the highest version of those that begin together', [key(1, -5), key(2, -5), key(3, -5)], 3],
  ['not one in the year 290000', [key(1, -10), key(2, Infinity)], 1],
  ['the first, before any begins', [key(1, 10), key(2, 20)], 1],
  ['the first by time and not by version, before any begins', [key(1, 20), key(2, 10)], 2],
  ['the lowest version, before those that begin together', [key(1, 10), key(2, 10)], 1],
  ['the only one, even in the year 290000', [key(1, Infinity)], 1],
])('the master key that signs is %s', (_rule, keys, version) => {
  const signing = appWith(keys).masterKey(NOW);
  expect([signing.version, signing.key.export().toString()]).toEqual([version, String(version)]);
});

it('an app without a master key is unavailable', () => {
  expect(() => appWith([]).masterKey(NOW)).toThrow(expect.objectContaining({ code: 'unavailable' }));
});

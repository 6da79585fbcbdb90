import { expect, it } from 'vitest';
import { keyInForce } from '../../src/apps/signing-app.js';

const NOW = Date.UTC(2027, 0, 1);
const key = (version: number, secondsFromNow: number) => ({
  version,
  activeFrom: new Date(NOW + secondsFromNow * 1000),
});

it.each([
  ['the only one', [key(1, -10)], 1],
  ['the latest that has begun', [key(1, -10), key(2, -5)], 2],
  ['the latest that has begun, in whatever order they come', [key(2, -5), key(1, -10)], 2],
  ['not one in the future', [key(1, -10), key(2, 1)], 1],
  ['one that begins this moment', [key(1, -10), key(2, 0)], 2],
  ['by time and not by version', [key(1, -5), key(2, -10)], 1],
  ['the higher version of two that begin together', [key(2, -5), key(3, -5), key(1, -5)], 3],
  ['not one in the year 290000', [key(1, -10), key(2, NaN)], 1],
  ['the first, before any begins', [key(2, 20), key(1, 10)], 1],
  ['the first in time, before any begins', [key(1, 20), key(2, 10)], 2],
  ['the lower version, before two begin together', [key(2, 10), key(1, 10)], 1],
  ['the only one, even in the year 290000', [key(1, NaN)], 1],
  ['none of none', [], undefined],
])('the key in force is %s', (_rule, keys, version) => {
  expect(keyInForce(keys, NOW)?.version).toBe(version);
});

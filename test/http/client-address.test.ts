import { expect, it } from 'vitest';
import { networkOf } from '../../src/http/client-address.js';

it.each([
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:54321', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::1', '2001:db8:1:2'],
  ['2001:0DB8:0001:0002:ffff::', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['[2001:db8:1:2::1]:443', '2001:db8:1:2'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['unknown', 'unknown'],
  ['x'.repeat(100), 'x'.repeat(64)],
  ['', ''],
])('of the address %s, a client has %s for itself', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

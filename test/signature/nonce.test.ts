import { expect, it } from 'vitest';
import { freshNonce } from '../../src/signature/nonce.js';

const nonces = Array.from({ length: 50_000 }, freshNonce);

it('a nonce is 8 characters of A-Z a-z 0-9', () => {
  expect(nonces.filter((nonce) => !/^[A-Za-z0-9]{8}$/.test(nonce))).toEqual([]);
});

it('no nonce comes twice in 50,000', () => {
  expect(new Set(nonces).size).toBe(nonces.length);
});

it('every character is equally likely', () => {
  const counts = new Map<string, number>();
  for (const character of nonces.join('')) counts.set(character, (counts.get(character) ?? 0) + 1);
  const expected = (nonces.length * 8) / 62;
  // Chi-square with 61 degrees of freedom exceeds 130 once in 2 million runs; taking bytes modulo 62 gives over 2,000.
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  expect(counts.size).toBe(62);
  expect(chiSquare).toBeLessThan(130);
});

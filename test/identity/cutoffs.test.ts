import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRevoked } from '../../src/identity/cutoffs.js';

const time = fc.double({ min: 0, max: 4e9, noNaN: true });

describe('a cut-off', () => {
  it('ends no token that is issued after it, whose "iat" has whole seconds or a fraction', () => {
    fc.assert(
      fc.property(time, time, fc.boolean(), (cutoff, later, isWhole) => {
        const issued = cutoff + later;
        expect(isRevoked({ issuedAt: isWhole ? Math.floor(issued) : issued }, cutoff)).toBe(false);
      }),
    );
  });

  it('ends each token of a second before its own', () => {
    fc.assert(
      fc.property(time, time, (cutoff, earlier) => {
        expect(isRevoked({ issuedAt: Math.floor(cutoff) - 1 - earlier }, cutoff)).toBe(true);
      }),
    );
  });

  it('ends a token without "iat", and where there is none a token ends by itself', () => {
    expect(isRevoked({ issuedAt: undefined }, 0)).toBe(true);
    expect(isRevoked({ issuedAt: undefined }, null)).toBe(false);
    expect(isRevoked({ issuedAt: 1 }, null)).toBe(false);
  });
});

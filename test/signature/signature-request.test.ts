import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSorted, splitMembers } from '../../src/signature/signature-request.js';

const anyId = fc.string({ unit: 'binary', maxLength: 3 });

describe('the order of members', () => {
  it('is exactly what .sort() leaves alone', () => {
    fc.assert(
      fc.property(fc.array(anyId, { maxLength: 6 }), (members) => {
        expect(isSorted(members)).toBe(members.every((member, i) => member === members.toSorted()[i]));
      }),
    );
  });

  it('accepts whatever .sort() makes of any list', () => {
    fc.assert(
      fc.property(fc.array(anyId), (members) => {
        expect(isSorted(members.toSorted())).toBe(true);
      }),
    );
  });

  it.each([
    ['10 before 9: text, not numbers', ['10', '9'], true],
    ['9 before 10', ['9', '10'], false],
    ['an id twice', ['4', '4', '5'], true],
    ['U+1F600 before U+FF5E: UTF-16 code units, not code points', ['😀', '～'], true],
    ['capitals before small letters', ['a', 'B'], false],
  ])('%s', (_name, members, sorted) => {
    expect(isSorted(members)).toBe(sorted);
  });
});

it('only the empty text is the empty list', () => {
  expect(splitMembers('')).toEqual([]);
  expect(splitMembers('a:')).toEqual(['a', '']);
  expect(splitMembers(':')).toEqual(['', '']);
});

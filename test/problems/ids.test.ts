import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idFault, isId } from '../../src/problems/ids.js';

describe('an id', () => {
  it.each(['a', '1', '小明', '😀'.repeat(64), 'a'.repeat(64), ' spaced ', 'a/b?c#d%20', 'É', 'É'])(
    'may be %j',
    (id) => {
      expect(isId(id)).toBe(true);
    },
  );

  it.each([
    ['', 'is empty'],
    ['a'.repeat(65), 'has 65 characters, 64 are allowed'],
    ['😀'.repeat(65), 'has 65 characters, 64 are allowed'],
    ['a:b', 'contains ":", which separates the parts of the signed message'],
    ['a\u0000b', 'contains a control character'],
    ['a\n', 'contains a control character'],
    ['\u007f', 'contains a control character'],
    ['\u0085', 'contains a control character'],
    ['\ud800', 'contains half of a surrogate pair'],
    ['a\udc00b', 'contains half of a surrogate pair'],
  ])('may not be %j: it %s', (text, fault) => {
    expect(isId(text)).toBe(false);
    expect(idFault(text)).toBe(fault);
  });

  it('is exactly well-formed Unicode of 1 to 64 characters without a colon or a control character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 70 }), (text) => {
        const characters = Array.from(text);
        const allowed = characters.every((character) => {
          const code = character.codePointAt(0) ?? 0;
          return (
            code >= 0x20 &&
            !(code >= 0x7f && code <= 0x9f) &&
            !(code >= 0xd800 && code <= 0xdfff) &&
            code !== 0x3a
          );
        });
        expect(isId(text)).toBe(allowed && characters.length >= 1 && characters.length <= 64);
      }),
    );
  });
});

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { masterKeyPurpose, open, seal, SealError, sealingKeyId } from '../../src/apps/sealing.js';

const old = randomBytes(32);
const current = randomBytes(32);
const keys = new Map([
  ['2027', current],
  ['2026', old],
]);
const purpose = masterKeyPurpose('1', 1);

describe('a sealed value', () => {
  it('decrypts to the text that was sealed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (plain) => {
        expect(open(seal(plain, purpose, keys), purpose, keys).toString()).toBe(plain);
      }),
    );
  });

  it('differs each time, and does not contain the plain text', () => {
    const one = seal('plain-text', purpose, keys);
    expect(one).not.toBe(seal('plain-text', purpose, keys));
    expect(Buffer.from(one.split('.')[2] ?? '', 'base64url').includes('plain-text')).toBe(false);
  });

  it('is encrypted with the first key, and decrypted with any key of SECRETS_KEY', () => {
    expect(sealingKeyId(seal('x', purpose, keys))).toBe('2027');
    const older = seal('x', purpose, new Map([['2026', old]]));
    expect(sealingKeyId(older)).toBe('2026');
    expect(open(older, purpose, keys).toString()).toBe('x');
  });

  it.each([
    ['another app', masterKeyPurpose('2', 1)],
    ['another version', masterKeyPurpose('1', 2)],
  ])('cannot be decrypted when copied to %s', (_place, elsewhere) => {
    expect(() => open(seal('x', purpose, keys), elsewhere, keys)).toThrow(SealError);
  });

  it('cannot be decrypted with any one bit changed', () => {
    const sealed = seal('x', purpose, keys);
    const [version, id, encoded = ''] = sealed.split('.');
    const bytes = Buffer.from(encoded, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const forged = [version, id, changed.toString('base64url')].join('.');
      expect(() => open(forged, purpose, keys)).toThrow(SealError);
    }
  });

  it.each([
    ['2025', 'SECRETS_KEY must hold it with its id, 2025:<base64>'],
    [
      'embedded-3f9a',
      'it is kept with the embedded database of another machine. There, set the SECRETS_KEY of this environment, run',
    ],
    ['embedded-3f9a', '"im-signature secrets reseal --from embedded-3f9a --to 2027"'],
  ])('sealed with a key "%s" that is missing, says so and what to do', (id, remedy) => {
    const sealed = seal('x', purpose, new Map([[id, randomBytes(32)]]));
    const fault = `sealed with key "${id}", this environment has only "2027", "2026": `;
    expect(() => open(sealed, purpose, keys)).toThrow(fault);
    expect(() => open(sealed, purpose, keys)).toThrow(remedy);
  });

  it('cannot be decrypted with another key of the same id', () => {
    const sealed = seal('x', purpose, new Map([['2027', randomBytes(32)]]));
    expect(() => open(sealed, purpose, keys)).toThrow('cannot decrypt with key "2027": wrong SECRETS_KEY');
  });

  it.each(['', 'plain', 'v1.2027.', 'v1.2027.AAAA', 'v2.2027.AAAA', 'v1..AAAA'])(
    'does not have the form %j',
    (text) => {
      expect(() => open(text, purpose, keys)).toThrow('not a sealed value');
    },
  );
});

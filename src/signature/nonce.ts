import { randomFillSync } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 8;

/** Bytes from here on would make the first letters likelier than the last; they are thrown away. */
const UNBIASED = 256 - (256 % ALPHABET.length);

/** A call to the CSPRNG costs more than the bytes it yields, so they are fetched for many nonces at once. */
const pool = Buffer.alloc(4096);
let next = pool.length;

/** A fresh nonce: 8 characters of `[A-Za-z0-9]`, each equally likely. */
export function freshNonce(): string {
  let nonce = '';
  while (nonce.length < LENGTH) {
    if (next === pool.length) {
      randomFillSync(pool);
      next = 0;
    }
    const byte = pool.readUInt8(next++);
    if (byte < UNBIASED) nonce += ALPHABET.charAt(byte % ALPHABET.length);
  }
  return nonce;
}

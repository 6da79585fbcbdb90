import { randomFillSync } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Bytes from here on are discarded: they would make the first characters more likely than the last. */
const UNBIASED = 256 - (256 % ALPHABET.length);

/** Random bytes for 500 nonces: a call to the CSPRNG costs more than its bytes. */
const pool = Buffer.alloc(4096);
let next = pool.length;

/** A fresh nonce: 8 characters of `[A-Za-z0-9]`, each equally likely. */
export function freshNonce(): string {
  let nonce = '';
  while (nonce.length < 8) {
    if (next === pool.length) {
      randomFillSync(pool);
      next = 0;
    }
    const byte = pool.readUInt8(next++);
    if (byte < UNBIASED) nonce += ALPHABET.charAt(byte % ALPHABET.length);
  }
  return nonce;
}

import type { MistakeCode } from './mistakes.js';

const HASHES: Readonly<Record<number, string>> = {
  16: 'md5',
  20: 'sha1',
  28: 'sha224',
  32: 'sha256',
  48: 'sha384',
  64: 'sha512',
};
/** What programs make of a value that is not there. */
const ABSENT = /^(?:undefined|null|nil|none|nan|\(null\)|\[object \w+\])?$/i;

export interface Hmac {
  readonly bytes: Buffer;
  /** Its name for `createHmac`, by the number of bytes. */
  readonly hash: string;
}

export interface ReadSignature {
  /** Undefined: the text is no HMAC in any form. */
  readonly hmac?: Hmac;
  readonly mistakes: readonly MistakeCode[];
}

/** Reads a signature in any form that it may have been written in: 40 digits of lower-case hex are right. */
export function readSignature(text: string): ReadSignature {
  const trimmed = text.trim();
  if (ABSENT.test(trimmed)) return { mistakes: ['signature_missing'] };
  const bare = trimmed.replace(/^"(.*)"$/, '$1');
  const isHex = /^(?:[0-9a-f]{2})+$/i.test(bare);
  const bytes = Buffer.from(bare, isHex ? 'hex' : 'base64');
  const hash = HASHES[bytes.length];
  const isText = isHex || /^[\w+/-]+=*$/.test(bare);
  if (hash === undefined || !isText) return { mistakes: ['signature_form'] };
  const mistakes: MistakeCode[] = [];
  if (text !== bytes.toString('hex')) mistakes.push('signature_form');
  if (hash !== 'sha1') mistakes.push('hash');
  return { hmac: { bytes, hash }, mistakes };
}

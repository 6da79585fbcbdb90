import type { JSONWebKeySet, JWK } from 'jose';
import { ED25519 } from './algorithms.js';

const TIMEOUT_MS = 3_000;
const MAX_BYTES = 256 * 1024;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

type TaggedKeySet = JSONWebKeySet & { readonly etag: string | undefined };

/** Whether keys may be fetched from a URI: https, or http on this machine, and no password in it. */
export function isKeySetUri(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  const isPrivate = protocol === 'https:' || (protocol === 'http:' && LOOPBACK.has(hostname));
  return isPrivate && username === '' && password === '';
}

/**
 * Fetches a JWK Set (RFC 7517, section 5) of at most 256 KiB, within 3 s. A redirect is an error: it could lead to another host.
 *
 * @param etag the entity tag of the set that is known (RFC 9110, section 8.8.3).
 * @returns the set and its entity tag; undefined when the known set is current.
 * @throws {Error} that names the fault and quotes nothing of the response.
 */
export async function fetchKeySet(uri: string, etag?: string): Promise<TaggedKeySet | undefined> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const headers = { accept: 'application/json', ...(etag !== undefined && { 'if-none-match': etag }) };
  try {
    const response = await fetch(uri, { signal, redirect: 'error', headers });
    if (response.status === 304 && etag !== undefined) return undefined;
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`status ${response.status}`);
    }
    const { keys } = parseKeySet(await readBounded(response));
    return { keys, etag: response.headers.get('etag') ?? undefined };
  } catch (error) {
    if (signal.aborted) throw new Error(`no answer within ${TIMEOUT_MS / 1000} s`, { cause: error });
    // The reason of fetch's "fetch failed" is the last cause, which has only a code where a host has several addresses.
    let reason = error as NodeJS.ErrnoException;
    while (reason.cause instanceof Error) reason = reason.cause;
    throw new Error(reason.message === '' ? reason.code : reason.message, { cause: error });
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    // Leaving the loop ends the connection.
    if (size > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Reads the public keys of a JWK Set. Other keys are ignored (RFC 7517, section 5), except a private one.
 *
 * @throws {Error} when the text is no JWK Set, holds no public key, or holds a private one, which is public by now.
 */
export function parseKeySet(text: string): JSONWebKeySet & { readonly ignored: number } {
  const set = parseJson(text) as { readonly keys?: unknown } | null;
  if (!Array.isArray(set?.keys)) throw new Error('not a JWK Set ("keys" is missing)');
  const all = set.keys as unknown[];
  const keys = all
    .filter(isObject)
    .map(withoutNull)
    .filter(({ kty }) => kty !== 'oct');
  if (keys.some((key) => 'd' in key)) throw new Error('a JWK Set for verifying must not hold private keys');
  if (keys.length === 0) throw new Error('a JWK Set without public keys');
  return { keys: keys.map(withoutEd25519), ignored: all.length - keys.length };
}

/** jose compares the name of a key's algorithm with the token's, and this one has two. */
function withoutEd25519({ alg, ...key }: JWK): JWK {
  return alg === undefined || ED25519.includes(alg) ? key : { ...key, alg };
}

/** Some serializers write members that a key does not have. */
function withoutNull(key: JWK): JWK {
  const members: [string, unknown][] = Object.entries(key);
  return Object.fromEntries(members.filter(([, value]) => value !== null));
}

function isObject(key: unknown): key is JWK {
  return typeof key === 'object' && key !== null && !Array.isArray(key);
}

/** `JSON.parse` would quote the text in its error, and refuses a byte order mark, which RFC 8259 lets a reader ignore. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    throw new Error('not JSON');
  }
}

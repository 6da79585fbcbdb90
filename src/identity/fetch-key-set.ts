import type { JSONWebKeySet } from 'jose';

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
    // The reason of fetch's "fetch failed" is its cause, which has only a code where a host has several addresses.
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    const reason = cause?.message === '' ? cause.code : cause?.message;
    throw new Error(reason ?? (error as Error).message, { cause: error });
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

/** @throws {Error} when the text is no JWK Set, or holds no key, or one that is not public. */
export function parseKeySet(text: string): JSONWebKeySet {
  const set = parseJson(text) as JSONWebKeySet | null;
  const keys: unknown = set?.keys;
  if (set === null || !Array.isArray(keys)) throw new Error('not a JWK Set ("keys" is missing)');
  if (keys.length === 0) throw new Error('a JWK Set without keys');
  for (const key of keys as unknown[]) {
    if (typeof key !== 'object' || key === null) throw new Error('not a JWK Set (a key is no object)');
    if ('d' in key || ('kty' in key && key.kty === 'oct')) {
      throw new Error('a JWK Set for verifying must not hold private or symmetric keys');
    }
  }
  return set;
}

/** `JSON.parse` would quote the text in its error. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('not JSON');
  }
}

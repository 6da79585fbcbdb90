import type { JSONWebKeySet } from 'jose';

const TIMEOUT_MS = 3_000;
const MAX_BYTES = 256 * 1024;
const MAX_REDIRECTS = 3;
const NOT_MODIFIED = 304;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Whether keys may come from there: https, or http where nobody is between. */
export function isKeySetUri(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.has(hostname));
}

export interface FetchedKeySet extends JSONWebKeySet {
  /** By which a server tells whether it has changed (RFC 9110, section 8.8.3). */
  readonly etag: string | undefined;
}

/**
 * Fetches a JWK Set (RFC 7517, section 5): within 3 s in all, 256 KiB at most, and from no other host than the one that is named.
 *
 * @param etag of the set that is known.
 * @returns undefined when the set is still the known one.
 * @throws {Error} that says what is wrong with the answer, and repeats nothing of it.
 */
export async function fetchKeySet(uri: string, etag?: string): Promise<FetchedKeySet | undefined> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await follow(new URL(uri), etag, signal);
    if (response.status === NOT_MODIFIED) return undefined;
    const { keys } = parseKeySet(await readBounded(response));
    if (keys.length === 0) throw new Error('a JWK Set without keys');
    return { keys, etag: response.headers.get('etag') ?? undefined };
  } catch (error) {
    if (signal.aborted) throw new Error(`no answer within ${TIMEOUT_MS / 1000} s`, { cause: error });
    throw reasonOf(error as Error);
  }
}

/** What `fetch` calls "fetch failed" has its reason in the cause; where a host has several addresses, only a code. */
function reasonOf(error: Error): Error {
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  const reason = cause?.message === '' ? cause.code : cause?.message;
  return reason === undefined ? error : new Error(reason, { cause: error });
}

/** @throws {Error} when the text is no JWK Set of public keys. */
export function parseKeySet(text: string): JSONWebKeySet {
  const set = parseJson(text) as { keys?: unknown } | null;
  if (typeof set !== 'object' || !Array.isArray(set?.keys)) {
    throw new Error('not a JWK Set ("keys" is missing)');
  }
  const keys: unknown[] = set.keys;
  if (!keys.every((key) => typeof key === 'object' && key !== null)) {
    throw new Error('not a JWK Set (a key is no object)');
  }
  if (keys.some((key) => Object.hasOwn(key, 'd') || (key as { kty?: unknown }).kty === 'oct')) {
    throw new Error('a JWK Set for verifying must not hold private or symmetric keys');
  }
  return set as JSONWebKeySet;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('not JSON');
  }
}

async function follow(from: URL, etag: string | undefined, signal: AbortSignal): Promise<Response> {
  let url = from;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await fetch(url, {
      signal,
      redirect: 'manual',
      headers: { accept: 'application/json', ...(etag !== undefined && { 'if-none-match': etag }) },
    });
    if (response.status === NOT_MODIFIED && etag !== undefined) return response;
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) {
      if (response.ok) return response;
      await response.body?.cancel();
      throw new Error(`status ${response.status}`);
    }
    await response.body?.cancel();
    url = new URL(location, url);
    if (url.origin !== from.origin) throw new Error('a redirect to another host');
  }
  throw new Error('too many redirects');
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    // Leaving the loop ends the connection.
    if (size > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
}

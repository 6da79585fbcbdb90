import { startDeadline } from './deadline.js';
import type { Fetch } from './fetch.js';
import { describe, type Operation, urlOf } from './operation.js';
import { SignatureError } from './signature-error.js';

export interface SignerOptions {
  /** Where the service is, such as `https://sign.example.com`. */
  readonly baseUrl: string;
  readonly appId: string;
  /**
   * The token that proves who is calling. Asked for each signature, and once more, with `true`, if the service says that the token has
   * expired or was ended. Left out for an app without identities.
   */
  readonly getToken?: (expired: boolean) => string | Promise<string>;
  /** Instead of the environment's own, such as `wechatFetch(wx)`. */
  readonly fetch?: Fetch;
  /** For one signature with its token, its retries and the pauses between them; 10,000 unless given. */
  readonly timeoutMs?: number;
  /** How often to ask again when no answer comes, or 429 or 503; 2 unless given. */
  readonly retries?: number;
  /** Told why there is no signature: the SDKs pass on little of it, or nothing. */
  readonly onRefusal?: (error: SignatureError) => void;
}

/** What the SDKs take from a factory; `timestamp` in whole milliseconds. */
export interface Signature {
  signature: string;
  timestamp: number;
  nonce: string;
}

/** `pause` in milliseconds, not above 0 if the answer names none; absent where asking again is of no use. */
interface Refusal {
  readonly error: SignatureError;
  readonly pause?: number;
}

const FIRST_PAUSE_MS = 250;
/** What `setTimeout` takes. */
const LONGEST_MS = 2 ** 31 - 1;

/** Gives a signature for what SDKs never ask for, such as `query`. Rejects with a {@link SignatureError}. */
export function createSigner(options: SignerOptions): (operation: Operation) => Promise<Signature> {
  const sign = signWith(options);
  return (operation) => sign(() => operation);
}

/** Signs what `asked` gives, and tells `onRefusal` of any failure, of `asked`, too. */
export function signWith(options: SignerOptions): (asked: () => Operation) => Promise<Signature> {
  const ask = asker(options, signatureOf);
  return async (asked) => {
    try {
      const operation = asked();
      return await ask(describe(operation), urlOf(operation, options.baseUrl, options.appId));
    } catch (error) {
      try {
        options.onRefusal?.(error as SignatureError);
      } catch {
        // Of no concern to the SDK, which is to learn of the refusal.
      }
      throw error;
    }
  };
}

/** Gets what `read` finds in the fields of the answer at a URL; `what` is asked, for errors. */
export function asker<T>(
  options: SignerOptions,
  read: (fields: Record<string, unknown>) => T | undefined,
): (what: string, url: string) => Promise<T> {
  const { getToken, timeoutMs = 10_000, retries = 2 } = options;
  const send: Fetch | undefined = options.fetch ?? (typeof fetch === 'function' ? fetch : undefined);
  if (!send) throw new TypeError('There is no fetch here: pass one, such as wechatFetch(wx)');
  if (!(timeoutMs > 0 && timeoutMs <= LONGEST_MS)) throw new RangeError(`timeoutMs must be from 1 to ${LONGEST_MS}`);

  return async (what, url) => {
    let token = '';
    const errorOf = (code: string, detail: string, status?: number, requestId?: string): SignatureError => {
      // Whoever worded it: a proxy may send headers back, a `fetch` may name them.
      const safe = token ? detail.split(token).join('…') : detail;
      return new SignatureError(what, code, safe, status, requestId);
    };
    const { within, left, signal, clear } = startDeadline(timeoutMs, () =>
      errorOf('timeout', `There was no answer within ${timeoutMs} ms.`),
    );

    const renewToken = async (expired: boolean): Promise<void> => {
      if (!getToken) return;
      let given: unknown;
      try {
        given = await within(getToken(expired));
      } catch (error) {
        throw error instanceof SignatureError ? error : errorOf('token_failed', messageOf(error));
      }
      // What does not fit into a header would be quoted in the error of `fetch`.
      if (typeof given !== 'string' || !/^[!-~]+$/.test(given)) {
        throw errorOf('token_failed', 'getToken gave no text of printable ASCII characters without spaces.');
      }
      token = given;
    };

    const ask = async (): Promise<{ readonly found: T } | Refusal> => {
      const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
      let response, text;
      try {
        response = await within(send(url, { headers, timeout: left(), signal }));
        text = await within(response.text());
      } catch (error) {
        if (error instanceof SignatureError) throw error;
        return { error: errorOf('network_error', messageOf(error)), pause: 0 };
      }
      const { status } = response;
      const fields = fieldsOf(text);
      const { code, detail, request_id } = fields;
      const found = response.ok ? read(fields) : undefined;
      if (found !== undefined) return { found };
      const error =
        !response.ok && typeof code === 'string'
          ? errorOf(code, String(detail), status, request_id as string)
          : errorOf('unexpected_answer', `An answer with status ${status} that is not the service's.`, status);
      if (status !== 429 && status !== 503) return { error };
      const after = response.headers.get('retry-after') ?? '';
      // Seconds, or a date, which some proxies give.
      return { error, pause: Number(after) * 1000 || Date.parse(after) - Date.now() };
    };

    try {
      await renewToken(false);
      let renewed = false;
      for (let retry = 0; ;) {
        const answer = await ask();
        if ('found' in answer) return answer.found;
        const { error, pause } = answer;
        if (/^identity_(expired|revoked)$/.test(error.code) && !renewed) {
          renewed = true;
          await renewToken(true);
          continue;
        }
        if (pause === undefined || retry >= retries) throw error;
        // Longer by chance, so that those who were refused together do not come back together.
        const wait = (pause > 0 ? pause : FIRST_PAUSE_MS * 2 ** retry) * (1 + Math.random() / 4);
        if (wait >= left()) throw error;
        retry++;
        await within(new Promise<void>((resolve) => setTimeout(resolve, wait)));
      }
    } finally {
      clear();
    }
  };
}

function signatureOf({ signature, timestamp, nonce }: Record<string, unknown>): Signature | undefined {
  return typeof signature === 'string' && typeof timestamp === 'number' && typeof nonce === 'string'
    ? { signature, timestamp, nonce }
    : undefined;
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** Node says only in `cause` what went wrong on the network. */
function messageOf(error: unknown): string {
  const { message, cause } = Object(error) as { message?: unknown; cause?: unknown };
  const text = String(message ?? error);
  return cause ? `${text}: ${messageOf(cause)}` : text;
}

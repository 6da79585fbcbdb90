/** What the package needs of an answer: a `Response` has it. */
export interface FetchResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** What the package needs of `fetch`. It rejects if no answer comes. */
export type Fetch = (
  url: string,
  init: {
    headers: Record<string, string>;
    /** Milliseconds that are left. For a `fetch` that heeds no signal. */
    timeout: number;
    /** An `AbortSignal`, where there is one. Named `any`, as its type exists only where `lib.dom` or Node's types are loaded. */
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    signal?: any;
  },
) => Promise<FetchResponse>;

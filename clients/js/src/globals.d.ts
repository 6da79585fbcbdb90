/** All that is asked of an environment beyond ES2017. What is not here, such as `URL`, does not compile. */
declare function setTimeout(callback: () => void, ms: number): number;
declare function clearTimeout(timer: number): void;
/** Missing in WeChat, which has `wx.request`. */
declare const fetch: import('./fetch.js').Fetch | undefined;
declare const AbortController: undefined | (new () => { readonly signal: object; abort(): void });

/**
 * Why there is no signature. The message is "<operation>: <code>: <detail>", such as
 * "invite bob to conv1: not_permitted: The invite_rule of the conversation …". It never holds the token.
 */
export class SignatureError extends Error {
  override readonly name: string = 'SignatureError';

  constructor(
    /** What was asked, in words. */
    readonly operation: string,
    /**
     * The service's code (docs/http-api.md, "Refusals"), or one of this package: `unknown_action`, `ambiguous_order`, `token_failed`,
     * `network_error`, `timeout`, `unexpected_answer`.
     */
    readonly code: string,
    /** The service's detail, or the cause in words. */
    readonly detail: string,
    /** The HTTP status, if an answer came. */
    readonly status?: number,
    /** Names the request in the log of the service. */
    readonly request_id?: string,
  ) {
    super(`${operation}: ${code}: ${detail}`);
  }
}

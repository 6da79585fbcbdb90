/**
 * Every refusal this service can give: its code, its status and its title.
 * The codes are part of the contract; clients branch on them, so they never change their meaning.
 */
export const PROBLEMS = {
  invalid_app_id: { status: 400, title: 'The app id breaks the rules for ids' },
  invalid_client_id: { status: 400, title: 'The client id breaks the rules for ids' },
  invalid_conversion_id: { status: 400, title: 'The conversation id breaks the rules for ids' },
  invalid_member_id: { status: 400, title: 'A member id breaks the rules for ids' },
  members_not_sorted: { status: 400, title: 'The member ids are not in ascending order' },
  members_required: { status: 400, title: 'This action needs at least one member id' },
  too_many_members: { status: 400, title: 'There are more member ids than the app allows' },
  invalid_format: { status: 400, title: 'The answer format is unknown' },
  malformed_url: { status: 400, title: 'The URL, or the request line around it, is malformed' },
  identity_required: { status: 401, title: 'The app asks for proof of who is calling' },
  identity_invalid: { status: 401, title: 'The proof of identity is not valid' },
  identity_expired: { status: 401, title: 'The proof of identity has expired' },
  identity_mismatch: { status: 403, title: 'The caller is another client' },
  app_disabled: { status: 403, title: 'The app is disabled' },
  client_banned: { status: 403, title: 'The client is banned' },
  member_banned: { status: 403, title: 'One of the members is banned' },
  not_permitted: { status: 403, title: 'The rules of the conversation do not permit this' },
  conversation_unknown: { status: 403, title: 'The conversation is not registered' },
  conversation_full: { status: 403, title: 'The conversation has no place left' },
  app_not_found: { status: 404, title: 'The app is not registered' },
  route_not_found: { status: 404, title: 'There is nothing at this address' },
  uri_too_long: { status: 414, title: 'The URL is too long' },
  unavailable: { status: 503, title: 'No signature can be made right now' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Seconds a client is asked to wait before it tries again. */
const RETRY_AFTER_SECONDS = 1;

/** A refusal with a code of the contract. `detail` reaches the client: it holds no token, no key and no stack. */
export class ProblemError extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    options?: ErrorOptions,
  ) {
    super(`${code}: ${detail}`, options);
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  /** Headers that the status asks for (RFC 9110, sections 10.2.3 and 11.6.1). */
  get headers(): Record<string, string> {
    if (this.status === 401) return { 'WWW-Authenticate': 'Bearer' };
    if (this.status === 503) return { 'Retry-After': String(RETRY_AFTER_SECONDS) };
    return {};
  }
}

/** The body of a refusal: problem details (RFC 9457, section 3) with `code` and `request_id` as extension members. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ProblemCode;
  readonly request_id: string;
}

/**
 * @param url the request's target; its query is left out, as tokens have been seen there.
 */
export function problemDetails(problem: ProblemError, url: string, requestId: string): ProblemDetails {
  return {
    type: `urn:im-signature:problem:${problem.code}`,
    title: PROBLEMS[problem.code].title,
    status: problem.status,
    detail: problem.detail,
    instance: url.replace(/[?#].*$/s, ''),
    code: problem.code,
    request_id: requestId,
  };
}

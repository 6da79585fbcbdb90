/** Every refusal of this service, by its code. Clients branch on the codes: their meaning never changes. */
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
  method_not_allowed: { status: 405, title: 'The path does not answer this method' },
  uri_too_long: { status: 414, title: 'The URL is too long' },
  unavailable: { status: 503, title: 'No signature can be made right now' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Headers that a status asks for (RFC 9110, sections 11.6.1, 10.2.1 and 10.2.3); `Retry-After` in seconds. */
export const PROBLEM_HEADERS: Readonly<Partial<Record<number, Readonly<Record<string, string>>>>> = {
  401: { 'WWW-Authenticate': 'Bearer' },
  405: { Allow: 'GET, HEAD, OPTIONS' },
  503: { 'Retry-After': '1' },
};

/** The rules of a conversation that can refuse an operation: the columns of `conversations`. */
export const RULES = ['join_rule', 'invite_rule', 'kick_rule'] as const;
export type Rule = (typeof RULES)[number];

/** A refusal. `detail` reaches the client: it holds no token, no key and no stack. */
export class ProblemError extends Error {
  /** The rule that refused, where the caller may know. */
  readonly rule: Rule | undefined;

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    { rule, ...options }: ErrorOptions & { rule?: Rule | undefined } = {},
  ) {
    super(`${code}: ${detail}`, options);
    this.rule = rule;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  get headers(): Readonly<Record<string, string>> {
    return PROBLEM_HEADERS[this.status] ?? {};
  }
}

export type ProblemDetails = ReturnType<typeof problemDetails>;

/**
 * The body of a refusal: problem details (RFC 9457, section 3), extended by `code`, `request_id`, and `rule` where it is known.
 *
 * @param url the request's target; its query is left out, as it may hold a token.
 */
export function problemDetails({ code, status, detail, rule }: ProblemError, url: string, requestId: string) {
  const type = `urn:im-signature:problem:${code}`;
  const instance = url.replace(/[?#].*$/s, '');
  const title: string = PROBLEMS[code].title;
  return { type, title, status, detail, instance, code, ...(rule && { rule }), request_id: requestId };
}

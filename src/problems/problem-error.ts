export interface Problem {
  readonly status: number;
  readonly title: string;
  /** For the API document: a detail, and the parts of a path that lead to it where the usual ones do not. */
  readonly example: { readonly detail: string; readonly asked?: Readonly<Record<string, string>> };
}

/** Every refusal of this service, by its code. Clients branch on the codes: their meaning never changes. */
export const PROBLEMS = {
  invalid_app_id: {
    status: 400,
    title: 'The app id breaks the rules for ids',
    example: {
      detail: 'The app id contains ":", which separates the parts of the signed message.',
      asked: { app_id: 'shop:1' },
    },
  },
  invalid_client_id: {
    status: 400,
    title: 'The client id breaks the rules for ids',
    example: { detail: 'The client id contains a control character.', asked: { client_id: 'alice%0A' } },
  },
  invalid_conversion_id: {
    status: 400,
    title: 'The conversation id breaks the rules for ids',
    example: {
      detail: 'The conversation id contains ":", which separates the parts of the signed message.',
      asked: { conversion_id: 'c:1' },
    },
  },
  invalid_member_id: {
    status: 400,
    title: 'A member id breaks the rules for ids',
    example: { detail: 'Member id 2 is empty.', asked: { sorted_member_ids: 'bob::carol' } },
  },
  members_not_sorted: {
    status: 400,
    title: 'The member ids are not in ascending order',
    example: { detail: 'The member ids must ascend by UTF-16 code unit: 10:9', asked: { sorted_member_ids: '9:10' } },
  },
  members_required: {
    status: 400,
    title: 'This action needs at least one member id',
    example: { detail: 'No member id follows the conversation id.', asked: { sorted_member_ids: '' } },
  },
  too_many_members: {
    status: 400,
    title: 'There are more member ids than the app allows',
    example: { detail: 'There are 2 member ids; the app allows 1.', asked: { app_id: 'small' } },
  },
  invalid_format: {
    status: 400,
    title: 'The answer format is unknown',
    example: { detail: 'The only value of the parameter "format" is "sdk", given once.', asked: { format: 'xml' } },
  },
  invalid_body: {
    status: 400,
    title: 'The body is not what this path takes',
    example: { detail: 'The body is not JSON.' },
  },
  malformed_url: {
    status: 400,
    title: 'The URL, or the request line around it, is malformed',
    example: { detail: 'The URL is not percent-encoded UTF-8.', asked: { client_id: 'al%zzice' } },
  },
  identity_required: {
    status: 401,
    title: 'The app asks for proof of who is calling',
    example: { detail: 'The app asks for "Authorization: Bearer" with a token.', asked: { app_id: '3' } },
  },
  identity_invalid: {
    status: 401,
    title: 'The proof of identity is not valid',
    example: { detail: 'The token is not one that this app accepts.', asked: { app_id: '3' } },
  },
  identity_expired: {
    status: 401,
    title: 'The proof of identity has expired',
    example: { detail: 'The token has expired.', asked: { app_id: '3' } },
  },
  identity_revoked: {
    status: 401,
    title: 'The proof of identity was ended',
    example: {
      detail: 'The token was issued before the tokens of this client were ended.',
      asked: { app_id: '3', client_id: 'carol' },
    },
  },
  identity_mismatch: {
    status: 403,
    title: 'The caller is another client',
    example: { detail: 'The token is for another client than the one in the path.', asked: { app_id: '3' } },
  },
  app_disabled: {
    status: 403,
    title: 'The app is disabled',
    example: { detail: 'The app is disabled; nothing is signed for it.', asked: { app_id: 'closed' } },
  },
  client_banned: {
    status: 403,
    title: 'The client is banned',
    example: {
      detail: 'The client is banned from this app; nothing is signed for it.',
      asked: { client_id: 'mallory' },
    },
  },
  member_banned: {
    status: 403,
    title: 'One of the members is banned',
    example: {
      detail: 'Member id 2 is banned from this app and cannot be added to a conversation.',
      asked: { sorted_member_ids: 'bob:mallory' },
    },
  },
  not_permitted: {
    status: 403,
    title: 'The rules of the conversation do not permit this',
    example: {
      detail: 'The rules of the conversation do not let the client do this.',
      asked: { app_id: '3', conversion_id: 'private' },
    },
  },
  conversation_unknown: {
    status: 403,
    title: 'The conversation is not registered',
    example: {
      detail: 'The app asks for registered conversations, and this one is not.',
      asked: { app_id: 'ruled', conversion_id: 'unregistered' },
    },
  },
  conversation_full: {
    status: 403,
    title: 'The conversation has no place left',
    example: {
      detail: 'There would be more members than the conversation may have.',
      asked: { app_id: 'ruled', conversion_id: 'full' },
    },
  },
  app_not_found: {
    status: 404,
    title: 'The app is not registered',
    example: { detail: 'No app is registered under this id.', asked: { app_id: 'unregistered' } },
  },
  route_not_found: {
    status: 404,
    title: 'There is nothing at this address',
    example: {
      detail: 'Nothing is at this path; /docs lists the paths. A "/" within an id is written %2F.',
      asked: { client_id: 'team/alice/phone' },
    },
  },
  method_not_allowed: {
    status: 405,
    title: 'The path does not answer this method',
    example: { detail: 'This path answers GET and HEAD.' },
  },
  request_timeout: {
    status: 408,
    title: 'The request did not come in time',
    example: { detail: 'The request was not there within 10 s.' },
  },
  body_too_large: {
    status: 413,
    title: 'The body is too large',
    example: { detail: 'The body may have at most 65536 bytes.' },
  },
  uri_too_long: {
    status: 414,
    title: 'The URL is too long',
    example: { detail: 'The URL may have at most 65536 bytes.' },
  },
  expectation_failed: {
    status: 417,
    title: 'The request expects what this service cannot do',
    example: { detail: 'The only expectation that can be met is 100-continue.' },
  },
  rate_limited: {
    status: 429,
    title: 'There were too many requests',
    example: { detail: 'This client may make 60 requests a minute. Try again in 7 s.' },
  },
  unavailable: {
    status: 503,
    title: 'No signature can be made right now',
    example: { detail: 'The service cannot answer right now.' },
  },
} as const satisfies Record<string, Problem>;

export type ProblemCode = keyof typeof PROBLEMS;

/**
 * Headers that a status asks for (RFC 9110, sections 11.6.1, 10.2.1 and 10.2.3, and draft-ietf-httpapi-ratelimit-headers-11);
 * `Retry-After` in seconds. Those of 429 are an example: a refusal brings its own.
 */
export const PROBLEM_HEADERS: Readonly<Partial<Record<number, Readonly<Record<string, string>>>>> = {
  401: { 'WWW-Authenticate': 'Bearer' },
  405: { Allow: 'GET, HEAD, OPTIONS' },
  429: { 'Retry-After': '7', 'RateLimit-Policy': '"client";q=60;w=60', RateLimit: '"client";r=0;t=7' },
  503: { 'Retry-After': '1' },
};

/** The rules of a conversation that can refuse an operation: the columns of `conversations`. */
export const RULES = ['join_rule', 'invite_rule', 'kick_rule'] as const;
export type Rule = (typeof RULES)[number];

interface ProblemOptions extends ErrorOptions {
  readonly rule?: Rule | undefined;
  /** Instead of those that the status asks for. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal. `detail` reaches the client: it holds no token, no key and no stack. */
export class ProblemError extends Error {
  /** The rule that refused, where the caller may know. */
  readonly rule: Rule | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    { rule, headers, ...options }: ProblemOptions = {},
  ) {
    super(`${code}: ${detail}`, options);
    this.rule = rule;
    this.headers = headers ?? PROBLEM_HEADERS[this.status] ?? {};
  }

  get status(): number {
    return PROBLEMS[this.code].status;
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

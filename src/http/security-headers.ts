/** On every answer: it is what it says it is, and neither a page nor for a frame. */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

/** What a page needs that runs scripts: its own files, this service, and nothing else. */
function pageHeaders(...relaxed: readonly string[]) {
  return {
    ...SECURITY_HEADERS,
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      "connect-src 'self'",
      ...relaxed,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
  } as const;
}

/**
 * Swagger UI's scripts are files of its own. Its page has style elements, its style sheet has images as `data:`, and it asks this
 * service only.
 */
const DOCS_HEADERS = pageHeaders("style-src 'self' 'unsafe-inline'", "img-src 'self' data:");
const CHECKER_HEADERS = pageHeaders("style-src 'self'", "img-src 'self'");

/** By the beginning of a path: a page, and what belongs to it. */
export function securityHeaders(url: string): Readonly<Record<string, string>> {
  if (url.startsWith('/docs')) return DOCS_HEADERS;
  return url.startsWith('/checker') ? CHECKER_HEADERS : SECURITY_HEADERS;
}

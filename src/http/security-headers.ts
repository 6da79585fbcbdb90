/** On every answer: it is what it says it is, and neither a page nor for a frame. */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

/** The path of the page, and of what belongs to it. */
export const PAGE = '/docs';

/**
 * Swagger UI's scripts are files of its own. Its page has style elements, its style sheet has images as `data:`, and it asks this
 * service only.
 */
export const PAGE_HEADERS = {
  ...SECURITY_HEADERS,
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
} as const;

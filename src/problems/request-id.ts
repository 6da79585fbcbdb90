import { randomUUID } from 'node:crypto';

/** A UUID and a proxy's 32 hex digits fit. Nothing else is taken over: it stands in the log and in the answer. */
export const REQUEST_ID_PATTERN = '^[A-Za-z0-9._-]{1,64}$';
const REQUEST_ID = new RegExp(REQUEST_ID_PATTERN);

/** The id that a request names itself by, if it is well-formed, or else a fresh UUID. @param given its header `X-Request-Id`. */
export function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

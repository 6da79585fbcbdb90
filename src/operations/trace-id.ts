/** Version, trace id, parent id, flags, and what a later version may add; zeros are no id. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The trace id of a well-formed header `traceparent` (W3C Trace Context, section 3.2). */
export function traceId(header: string | string[] | undefined): string | undefined {
  const [, version, id, more] = TRACEPARENT.exec(String(header)) ?? [];
  return version === '00' && more !== undefined ? undefined : id;
}

import { createHmac } from 'node:crypto';

export type Answer = Record<string, string | number>;

/** What an answer's fields say was signed, put together from the document and not from the service's own table. */
export function messageOf(answer: Answer): string {
  const { app_id, client_id, conversion_id, sorted_member_ids = '', action, timestamp, nonce } = answer;
  // The history of a conversation: the nonce comes first.
  if (conversion_id !== undefined && action === undefined) {
    return [app_id, client_id, conversion_id, nonce, timestamp].join(':');
  }
  return [
    app_id,
    client_id,
    ...(conversion_id === undefined ? [] : [conversion_id]),
    sorted_member_ids,
    timestamp,
    nonce,
    ...(action === undefined ? [] : [action]),
  ].join(':');
}

export function hmac(message: string, masterKey: string): string {
  return createHmac('sha1', Buffer.from(masterKey)).update(Buffer.from(message)).digest('hex');
}

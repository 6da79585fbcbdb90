import { createHmac } from 'node:crypto';

/** The lower-case hex HMAC-SHA1 of the message under the master key, both as UTF-8 (DESIGN, "The contract"). */
export function sign(message: string, masterKey: string): string {
  return createHmac('sha1', masterKey).update(message).digest('hex');
}

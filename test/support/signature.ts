import { createHmac } from 'node:crypto';
import { type SpecAction, specMessage } from './spec.js';

export type Answer = Record<string, string | number>;

/** What an answer's fields say was signed, put together from the specification and not from the service's own table. */
export function messageOf(answer: Answer): string {
  const { conversion_id, sorted_member_ids } = answer;
  const withoutName = conversion_id !== undefined ? 'query' : sorted_member_ids !== undefined ? 'conversion' : 'login';
  return specMessage((answer.action ?? withoutName) as SpecAction, answer);
}

export function hmac(message: string, masterKey: string): string {
  return createHmac('sha1', Buffer.from(masterKey)).update(Buffer.from(message)).digest('hex');
}

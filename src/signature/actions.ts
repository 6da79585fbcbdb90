import { createHmac, type KeyObject } from 'node:crypto';
import type { Operation } from '../conversations/decision.js';

export type ActionName = Operation['action'];

/** The parameters of the routes, by their names on the wire. */
export type Parameter = 'app_id' | 'client_id' | 'conversion_id' | 'sorted_member_ids';

/** The parts of a signed message; absent ones are empty. */
export type MessageParts = Readonly<Record<Parameter | 'timestamp' | 'nonce', string>>;

export interface Action {
  /** Whether the action takes `conversion_id`. */
  readonly conversation: boolean;
  /** Whether it takes `sorted_member_ids`, and whether that may be empty. */
  readonly members: 'none' | 'may be empty' | 'at least one';
  /** Whether its name is signed, and answered as `action`. */
  readonly named: boolean;
  readonly message: (parts: MessageParts) => string;
}

/**
 * The parameters of each action, and the message it signs (LeanCloud, "Realtime messaging signatures"; docs/design.md, "Contract").
 * The parts are joined with ":" and not escaped, which is why no id may contain one.
 */
export const ACTIONS = {
  login: {
    conversation: false,
    members: 'none',
    named: false,
    message: (p) => `${p.app_id}:${p.client_id}::${p.timestamp}:${p.nonce}`,
  },
  conversion: {
    conversation: false,
    members: 'may be empty',
    named: false,
    message: (p) => `${p.app_id}:${p.client_id}:${p.sorted_member_ids}:${p.timestamp}:${p.nonce}`,
  },
  invite: {
    conversation: true,
    members: 'may be empty',
    named: true,
    message: (p) =>
      `${p.app_id}:${p.client_id}:${p.conversion_id}:${p.sorted_member_ids}:${p.timestamp}:${p.nonce}:invite`,
  },
  kick: {
    conversation: true,
    members: 'at least one',
    named: true,
    message: (p) =>
      `${p.app_id}:${p.client_id}:${p.conversion_id}:${p.sorted_member_ids}:${p.timestamp}:${p.nonce}:kick`,
  },
  query: {
    conversation: true,
    members: 'none',
    named: false,
    // The nonce comes first.
    message: (p) => `${p.app_id}:${p.client_id}:${p.conversion_id}:${p.nonce}:${p.timestamp}`,
  },
  'client-block-conversations': {
    conversation: true,
    members: 'none',
    named: true,
    message: (p) =>
      `${p.app_id}:${p.client_id}:${p.conversion_id}::${p.timestamp}:${p.nonce}:client-block-conversations`,
  },
  'client-unblock-conversations': {
    conversation: true,
    members: 'none',
    named: true,
    message: (p) =>
      `${p.app_id}:${p.client_id}:${p.conversion_id}::${p.timestamp}:${p.nonce}:client-unblock-conversations`,
  },
  'conversation-block-clients': {
    conversation: true,
    members: 'at least one',
    named: true,
    message: (p) =>
      `${p.app_id}:${p.client_id}:${p.conversion_id}:${p.sorted_member_ids}:${p.timestamp}:${p.nonce}:conversation-block-clients`,
  },
  'conversation-unblock-clients': {
    conversation: true,
    members: 'at least one',
    named: true,
    message: (p) =>
      `${p.app_id}:${p.client_id}:${p.conversion_id}:${p.sorted_member_ids}:${p.timestamp}:${p.nonce}:conversation-unblock-clients`,
  },
} as const satisfies Record<ActionName, Action>;

/** @returns the HMAC-SHA1 of the message (UTF-8) in lower-case hex. */
export function sign(message: string, masterKey: KeyObject): string {
  return createHmac('sha1', masterKey).update(message).digest('hex');
}

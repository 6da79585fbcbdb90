import { createHmac, type KeyObject } from 'node:crypto';

/** The parts that may stand in a signed message, by their names on the wire. Absent parts are the empty string. */
export interface MessageParts {
  readonly app_id: string;
  readonly client_id: string;
  readonly conversion_id: string;
  readonly sorted_member_ids: string;
  readonly timestamp: string;
  readonly nonce: string;
}

export interface Action {
  /** Whether the action is about one conversation, named by `conversion_id`. */
  readonly conversation: boolean;
  /** Whether the action takes `sorted_member_ids`, and whether the list may be empty. */
  readonly members: 'none' | 'may be empty' | 'at least one';
  /** Whether the action's name is signed, and answered as `action`. */
  readonly named: boolean;
  readonly message: (parts: MessageParts) => string;
}

/**
 * What each action takes and the message it signs: LeanCloud's "realtime messaging signatures", spelt as in the API document.
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
} as const satisfies Record<string, Action>;

export type ActionName = keyof typeof ACTIONS;

/** The lower-case hex HMAC-SHA1 of a message, as UTF-8, under the master key (DESIGN, "The contract"). */
export function sign(message: string, masterKey: KeyObject): string {
  return createHmac('sha1', masterKey).update(message).digest('hex');
}

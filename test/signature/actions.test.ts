import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Action, type ActionName, ACTIONS, sign } from '../../src/signature/actions.js';
import { MESSAGES, VECTORS } from '../support/spec.js';

/** Made by another program, so that both would have to be wrong in the same way. */
describe('the message and signature of each action are those another program made', () => {
  it.each(VECTORS)('$action: $note', (vector) => {
    const message = ACTIONS[vector.action].message({ conversion_id: '', sorted_member_ids: '', ...vector });
    expect(message).toBe(vector.message);
    expect(sign(message, createSecretKey(vector.master_key, 'utf8'))).toBe(vector.signature);
  });

  it('covers every action', () => {
    expect(new Set(VECTORS.map(({ action }) => action))).toEqual(new Set(Object.keys(ACTIONS)));
  });
});

describe('the specification and the service say the same', () => {
  it('of which actions there are', () => {
    expect(Object.keys(MESSAGES)).toEqual(Object.keys(ACTIONS));
  });

  it.each(Object.entries(ACTIONS) as [ActionName, Action][])('of %s', (name, action) => {
    const parts = {
      app_id: '{app_id}',
      client_id: '{client_id}',
      conversion_id: '{conversion_id}',
      sorted_member_ids: '{sorted_member_ids}',
      timestamp: '{timestamp}',
      nonce: '{nonce}',
    };
    const { message, members } = MESSAGES[name];
    expect(action.message(parts)).toBe(message);
    expect(action.members).toBe(members);
    expect(action.conversation).toBe(message.includes('{conversion_id}'));
    expect(action.members !== 'none').toBe(message.includes('{sorted_member_ids}'));
    expect(action.named).toBe(message.endsWith(`:${name}`));
  });
});

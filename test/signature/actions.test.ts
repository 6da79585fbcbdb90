import { createSecretKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ACTIONS, type ActionName, sign } from '../../src/signature/actions.js';

interface Vector {
  action: ActionName;
  note: string;
  master_key: string;
  app_id: string;
  client_id: string;
  conversion_id?: string;
  sorted_member_ids?: string;
  timestamp: string;
  nonce: string;
  message: string;
  signature: string;
}

/** Made by another program, so that both would have to be wrong in the same way. */
const vectors = JSON.parse(readFileSync(new URL('../../spec/vectors.json', import.meta.url), 'utf8')) as Vector[];

describe('the message and signature of each action are those another program made', () => {
  it.each(vectors)('$action: $note', (vector) => {
    const message = ACTIONS[vector.action].message({ conversion_id: '', sorted_member_ids: '', ...vector });
    expect(message).toBe(vector.message);
    expect(sign(message, createSecretKey(vector.master_key, 'utf8'))).toBe(vector.signature);
  });

  it('covers every action', () => {
    expect(new Set(vectors.map(({ action }) => action))).toEqual(new Set(Object.keys(ACTIONS)));
  });
});

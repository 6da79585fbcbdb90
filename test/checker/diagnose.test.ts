import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Claim, diagnose, type KnownKeys } from '../../src/checker/diagnose.js';
import { ACTIONS, type ActionName } from '../../src/signature/actions.js';
import { hmac } from '../support/signature.js';
import { type Example, EXAMPLES, operationOf, specMessage } from '../support/spec.js';

function keysOf({ keys, app_key, other_apps = {} }: Example): KnownKeys {
  const [master, ...others] = keys.map((key) => Buffer.from(key)).reverse();
  return {
    master: master ?? Buffer.of(),
    otherVersions: others,
    appKey: app_key === undefined ? undefined : Buffer.from(app_key),
    otherApps: Object.entries(other_apps).map(([appId, key]) => ({ appId, master: Buffer.from(key) })),
  };
}

describe('the checker names the mistake of a signature', () => {
  it.each(EXAMPLES.map((example) => [example.note, example] as const))('%s', (_, example) => {
    const { verdict, mistakes, time } = diagnose(operationOf(example), keysOf(example), example.received_at);
    const expected = example.mistakes === null ? 'unexplained' : example.mistakes.length === 0 ? 'right' : 'mistaken';
    expect([verdict, new Set(mistakes)]).toEqual([expected, new Set(example.mistakes)]);
    if (example.reason === 'expired') expect(time).toBe('too old');
    else if (example.reason === 'from_the_future') expect(time).toBe('ahead');
    else if (example.reason !== 'malformed_timestamp') expect(time).toBe('in time');
  });
});

const id = fc.string({
  unit: fc.constantFrom('a', 'B', '1', '9', '10', '小', '😀', '.', ' '),
  minLength: 1,
  maxLength: 4,
});
const operation = fc.constantFrom(...(Object.keys(ACTIONS) as ActionName[])).chain((action) => {
  const { conversation, members } = ACTIONS[action];
  return fc.record({
    action: fc.constant(action),
    appId: id,
    clientId: id,
    conversationId: conversation ? id : fc.constant(''),
    members: members === 'none' ? fc.constant([]) : fc.array(id, { minLength: 1, maxLength: 4 }),
    timestamp: fc.constantFrom('1450166986', '1450166986392'),
    nonce: fc.stringMatching(/^[A-Za-z0-9]{8}$/),
  });
});
const KEYS: KnownKeys = {
  master: Buffer.from('a-master-key'),
  otherVersions: [Buffer.from('an-older-key')],
  appKey: Buffer.from('an-app-key'),
  otherApps: [{ appId: 'other', master: Buffer.from('key-of-another-app') }],
};

/** Put together from the specification, and not from the service's own table. */
function messageOf(claim: Omit<Claim, 'signature'>): string {
  return specMessage(claim.action, {
    app_id: claim.appId,
    client_id: claim.clientId,
    conversion_id: claim.conversationId,
    sorted_member_ids: claim.members.toSorted().join(':'),
    timestamp: claim.timestamp,
    nonce: claim.nonce,
  });
}

describe('for any operation,', () => {
  it('a right signature is called right, and the message is told', () => {
    fc.assert(
      fc.property(operation, (claim) => {
        const message = messageOf(claim);
        const signature = hmac(message, 'a-master-key');
        expect(diagnose({ ...claim, signature }, KEYS, 1450166990000)).toEqual({
          verdict: 'right',
          mistakes: [],
          time: 'in time',
          message,
        });
      }),
      { numRuns: 2_000 },
    );
  });

  it('a random signature is never explained', () => {
    fc.assert(
      fc.property(operation, fc.uint8Array({ minLength: 20, maxLength: 20 }), (claim, bytes) => {
        const signature = Buffer.from(bytes).toString('hex');
        expect(diagnose({ ...claim, signature }, KEYS, 1450166990000).verdict).toBe('unexplained');
      }),
      { numRuns: 30 },
    );
  });

  it('the answer holds neither a key nor the signature that would be right', () => {
    fc.assert(
      fc.property(operation, (claim) => {
        const told = JSON.stringify(diagnose({ ...claim, signature: '00'.repeat(20) }, KEYS, 0));
        expect(told).not.toContain(hmac(messageOf(claim), 'a-master-key'));
        expect(told).not.toMatch(/a-master-key|an-older-key|an-app-key|key-of-another-app/);
      }),
      { numRuns: 20 },
    );
  });
});

it('500 members are looked at within the bounds, and the work ends', () => {
  const members = Array.from({ length: 500 }, (_, i) => `${i}`.padEnd(64, 'm'));
  const claim = { action: 'invite', appId: '1', clientId: 'a', conversationId: 'c', members } as const;
  const signed = { ...claim, timestamp: '1450166986392', nonce: 'cdXsciFc', signature: '00'.repeat(20) };
  expect(diagnose(signed, KEYS, 0).verdict).toBe('unexplained');
  const wrong = messageOf(signed).replace(/:invite$/, ':add');
  expect(diagnose({ ...signed, signature: hmac(wrong, 'a-master-key') }, KEYS, 0).mistakes).toEqual(['action_word']);
});

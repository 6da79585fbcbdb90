import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Claim, diagnose, type KnownKeys } from '../../src/checker/diagnose.js';
import type { MistakeCode } from '../../src/checker/mistakes.js';
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
// Made once: to read a pattern takes milliseconds.
const nonce = fc.stringMatching(/^[A-Za-z0-9]{8}$/);
const operation = fc.constantFrom(...(Object.keys(ACTIONS) as ActionName[])).chain((action) => {
  const { conversation, members } = ACTIONS[action];
  return fc.record({
    action: fc.constant(action),
    appId: id,
    clientId: id,
    conversationId: conversation ? id : fc.constant(''),
    members: members === 'none' ? fc.constant([]) : fc.array(id, { minLength: 1, maxLength: 4 }),
    timestamp: fc.constantFrom('1450166986', '1450166986392'),
    nonce,
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

describe('an invite of bob, 10, 9, 阿明 and Zoë is explained where', () => {
  const sent = {
    action: 'invite',
    appId: '1',
    clientId: 'alice',
    conversationId: 'c',
    members: ['bob', '10', '9', '阿明', 'Zoë'],
    timestamp: '1450166986392',
    nonce: 'cdXsciFc',
  } as const;
  const RIGHT = '10:9:Zoë:bob:阿明';
  const invite = (members: string, { app = '1', time = '1450166986392', nonce = 'cdXsciFc', word = ':invite' } = {}) =>
    `${app}:alice:c:${members}:${time}:${nonce}${word}`;

  it.each<[string, Partial<Claim>, string, MistakeCode[]]>([
    ['numbers go before letters, and 9 before 10', {}, invite('9:10:bob:Zoë:阿明'), ['members_order']],
    ['Chinese goes first, as in the order of Chinese', {}, invite('10:9:阿明:bob:Zoë'), ['members_order']],
    ['so does Chinese, after numbers in their order', {}, invite('9:10:阿明:bob:Zoë'), ['members_order']],
    ['case is ignored', { members: ['b', 'A', 'C', '~'] }, invite('A:b:C:~'), ['members_order']],
    ['the own id was put before those sent', {}, invite('alice:bob:10:9:阿明:Zoë'), ['own_id', 'members_order']],
    ['the own id was put after them', {}, invite('bob:10:9:阿明:Zoë:alice'), ['own_id', 'members_order']],
    [
      'the own id is sent twice, and was signed once',
      { members: ['alice', 'alice'] },
      invite('alice'),
      ['members_repeated'],
    ],
    ['the timestamp was sent in quotes', { timestamp: '"1450166986392"' }, invite(RIGHT), ['timestamp_text']],
    ['the nonce lost the end of its base64', { nonce: 'q+0Zw' }, invite(RIGHT, { nonce: 'q+0Zw==' }), ['nonce_text']],
    ['the nonce was signed with a line break', {}, invite(RIGHT, { nonce: 'cdXsciFc\n' }), ['nonce_text']],
    [
      'the members were left out, with another word',
      {},
      invite('', { word: ':add' }),
      ['action_word', 'members_missing'],
    ],
    [
      'the own id was left out, to join as the documents say, with another word',
      { members: ['alice'] },
      invite('', { word: ':join' }),
      ['action_word', 'own_id'],
    ],
    [
      'it was for another app, with another word',
      {},
      invite(RIGHT, { app: 'other', word: ':add' }),
      ['another_app', 'action_word'],
    ],
  ])('%s', (_, change, message, mistakes) => {
    const claim = { ...sent, ...change, signature: hmac(message, 'a-master-key') };
    expect(diagnose(claim, KEYS, 1450166990000)).toMatchObject({ verdict: 'mistaken', mistakes });
  });

  it('another app signed it with its own key of another app, in another order', () => {
    const message = invite('bob:10:9:阿明:Zoë', { app: 'other' });
    const { mistakes } = diagnose({ ...sent, signature: hmac(message, 'key-of-another-app') }, KEYS, 0);
    expect(mistakes).toEqual(['another_app', 'members_order']);
  });
});

it.each([
  ['a signature of blanks', { signature: `${' '.repeat(300_000)}x` }],
  ['a nonce of what ends a base64 text', { nonce: `${'='.repeat(300_000)}x` }],
  ['a timestamp of blanks', { timestamp: `${' '.repeat(300_000)}x` }],
])('%s takes no longer than it is long', (_, change) => {
  const signed = { timestamp: '1450166986392', nonce: 'cdXsciFc', signature: '00'.repeat(20), ...change };
  const claim = { action: 'login', appId: '1', clientId: 'a', conversationId: '', members: [], ...signed } as const;
  expect(diagnose(claim, KEYS, 0).verdict).not.toBe('right');
});

it('500 members are looked at within the bounds, and the work ends', () => {
  const members = Array.from({ length: 500 }, (_, i) => `${i}`.padEnd(64, 'm'));
  const claim = { action: 'invite', appId: '1', clientId: 'a', conversationId: 'c', members } as const;
  const signed = { ...claim, timestamp: '1450166986392', nonce: 'cdXsciFc', signature: '00'.repeat(20) };
  expect(diagnose(signed, KEYS, 0).verdict).toBe('unexplained');
  const wrong = messageOf(signed).replace(/:invite$/, ':add');
  expect(diagnose({ ...signed, signature: hmac(wrong, 'a-master-key') }, KEYS, 0).mistakes).toEqual(['action_word']);
});

import { describe, expect, it } from 'vitest';
import { ACTION_NAMES, partsOf, readAnswer, readMembers } from '../../src/checker/page/message.js';
import { ACTIONS } from '../../src/signature/actions.js';

const FIELDS = {
  app_id: 'shop',
  client_id: 'alice',
  conversion_id: 'c1',
  timestamp: '1450166986392',
  nonce: 'cdXsciFc',
};

describe('the message that the page shows', () => {
  it.each(ACTION_NAMES)('is the one that the service signs: %s', (action) => {
    const members = ['～', '😀', 'B', 'a', '9', '10'];
    const shown = partsOf({ ...FIELDS, action, members });
    const signed = ACTIONS[action].message({ ...FIELDS, sorted_member_ids: members.toSorted().join(':') });
    expect(shown.map(({ text }) => text).join(':')).toBe(signed);
  });

  it('has members by UTF-16 code unit, and leaves the list alone', () => {
    const members = ['～', '😀', '10', '9'];
    const parts = partsOf({ ...FIELDS, action: 'invite', members });
    expect(parts).toContainEqual({ name: 'members', text: '10:9:😀:～' });
    expect(members).toEqual(['～', '😀', '10', '9']);
  });
});

describe('members are read in the order given', () => {
  it.each([
    ['one on each line', 'bob\nalice', ['bob', 'alice']],
    ['empty lines', '\nbob\n\nalice\n', ['bob', 'alice']],
    ['as in a message', 'bob:alice', ['bob', 'alice']],
    ['a JSON array', '["bob", "a,b"]', ['bob', 'a,b']],
    ['the lines within a JSON array', '  "bob",\n  "alice",\n', ['bob', 'alice']],
    ['spaces, which are part of an id', ' bob \nalice', [' bob ', 'alice']],
    ['a comma, which may be part of an id', 'bob, alice', ['bob, alice']],
    ['digits, which are no numbers', '10\n9', ['10', '9']],
    ['a number alone', '10', ['10']],
    ['nothing', '', []],
  ])('%s', (_, text, members) => {
    expect(readMembers(text)).toEqual(members);
  });
});

describe('an answer of the service fills in the form', () => {
  const ANSWER = { app_id: 'shop', client_id: 'alice', timestamp: 1450166986392, nonce: 'n', signature: 's' };

  it.each([
    ['login', {}],
    ['conversion', { sorted_member_ids: 'alice:bob' }],
    ['invite', { action: 'invite', conversion_id: 'c1', sorted_member_ids: '' }],
    ['query', { conversion_id: 'c1' }],
    ['client-block-conversations', { action: 'client-block-conversations', conversion_id: 'c1' }],
  ])('of %s', (action, more) => {
    const { sorted_member_ids: sorted = '', conversion_id = '' } = more as Record<string, string>;
    expect(readAnswer(JSON.stringify({ ...ANSWER, ...more }))).toEqual({
      ...ANSWER,
      timestamp: '1450166986392',
      action,
      conversion_id,
      members: sorted.replace(':', '\n'),
      app_key: '',
    });
  });

  it.each(['alice', '10', '["bob"]', '{"a":1}', 'null', ''])('but not %j', (text) => {
    expect(readAnswer(text)).toBeUndefined();
  });
});

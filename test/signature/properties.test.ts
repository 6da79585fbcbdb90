import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isId } from '../../src/problems/ids.js';
import { ACTIONS, type ActionName, type MessageParts } from '../../src/signature/actions.js';

/** A small alphabet and short ids, so that ids often look like other parts of a message. */
const id = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', '1', '.', 'invite', 'kick', ' ', '小'), minLength: 1, maxLength: 3 }),
  fc.constantFrom('invite', 'kick', '1450166986.392033', '1450166986392', 'cdXsciFc'),
);
const timestamp = fc.constantFrom('1450166986.392033', '1450166986', '1450166986392');
const nonce = fc.constantFrom('cdXsciFc', 'invite12', '14501669');

interface Accepted {
  name: ActionName;
  parts: MessageParts;
}

const accepted: fc.Arbitrary<Accepted> = fc.constantFrom(...(Object.keys(ACTIONS) as ActionName[])).chain((name) => {
  const { conversation, members } = ACTIONS[name];
  return fc.record({
    name: fc.constant(name),
    parts: fc.record({
      app_id: id,
      client_id: id,
      conversion_id: conversation ? id : fc.constant(''),
      sorted_member_ids:
        members === 'none'
          ? fc.constant('')
          : fc
              .array(id, { minLength: members === 'at least one' ? 1 : 0, maxLength: 3 })
              .map((list) => list.sort().join(':')),
      timestamp,
      nonce,
    }),
  });
});

const message = ({ name, parts }: Accepted): string => ACTIONS[name].message(parts);

/** The one exception the protocol forces: opening a conversation without members signs the login message. */
const asLogin = ({ name, parts }: Accepted): ActionName =>
  name === 'conversion' && parts.sorted_member_ids === '' ? 'login' : name;

it('no two different accepted requests sign the same message, except login and opening a conversation without members', () => {
  fc.assert(
    fc.property(accepted, accepted, (one, other) => {
      const same = asLogin(one) === asLogin(other) && JSON.stringify(one.parts) === JSON.stringify(other.parts);
      expect(message(one) === message(other)).toBe(same);
    }),
    { numRuns: 20_000 },
  );
});

it('a message can be parsed as one request only', () => {
  fc.assert(
    fc.property(accepted, (request) => {
      const read = readBack(message(request));
      expect(read).toEqual([{ name: asLogin(request), parts: request.parts }]);
    }),
    { numRuns: 5_000 },
  );
});

const ACTIONS_NAMED = [
  'invite',
  'kick',
  'client-block-conversations',
  'client-unblock-conversations',
  'conversation-block-clients',
  'conversation-unblock-clients',
] as const;

/** Every accepted request that could have made the message: found by trying, independently of how messages are made. */
function readBack(text: string): Accepted[] {
  const parts = text.split(':');
  const found: Accepted[] = [];
  const keep = (name: ActionName, conversion_id: string, members: string[], rest: string[]): void => {
    const [timestampText = '', nonceText = ''] = rest;
    const [app_id = '', client_id = ''] = parts;
    if (![app_id, client_id, ...members].every(isId)) return;
    if (!/^\d{10,13}(\.\d{6})?$/.test(timestampText) || !/^[A-Za-z0-9]{8}$/.test(nonceText)) return;
    const sorted_member_ids = members.join(':');
    found.push({
      name,
      parts: { app_id, client_id, conversion_id, sorted_member_ids, timestamp: timestampText, nonce: nonceText },
    });
  };
  const list = (from: number, to: number): string[] => {
    const members = parts.slice(from, to);
    return members.length === 1 && members[0] === '' ? [] : members;
  };
  const end = parts.length;
  if (end === 5 && parts[2] === '') keep('login', '', [], parts.slice(3));
  else keep('conversion', '', list(2, end - 2), parts.slice(end - 2));
  const conversation = parts[2] ?? '';
  if (!isId(conversation)) return found;
  if (end === 5) keep('query', conversation, [], parts.slice(3).reverse());
  const named = ACTIONS_NAMED.find((name) => name === parts[end - 1]);
  if (named === undefined) return found;
  const members = list(3, end - 3);
  const isList = named === 'invite' || members.length > 0 !== named.startsWith('client-');
  if (isList) keep(named, conversation, members, parts.slice(end - 3, end - 1));
  return found;
}

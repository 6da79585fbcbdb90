import { describe, expect, it } from 'vitest';
import { clientIdIn } from '../../src/identity/client-id-claim.js';

describe('the client id of a token', () => {
  it.each<[string, object, string, string]>([
    ['a string', { sub: 'alice' }, 'sub', 'alice'],
    ['a string, unchanged', { sub: ' Ａlice\u0301 ' }, 'sub', ' Ａlice\u0301 '],
    ['an empty string, which is no valid id', { sub: '' }, 'sub', ''],
    ['a whole number as its decimal text', { uid: 42 }, 'uid', '42'],
    ['zero', { uid: 0 }, 'uid', '0'],
    ['a negative number', { uid: -7 }, 'uid', '-7'],
    ['the largest whole number that is exact', { uid: 9007199254740991 }, 'uid', '9007199254740991'],
    ['a number written with an exponent', JSON.parse('{"uid":1e3}') as object, 'uid', '1000'],
    ['a path into objects', { user: { account: { id: 'alice' } } }, 'user.account.id', 'alice'],
    ['a name with dots', { 'https://chat.example.com/id': 'alice' }, 'https://chat.example.com/id', 'alice'],
    ['a name with dots rather than a path', { 'user.id': 'alice', user: { id: 'bob' } }, 'user.id', 'alice'],
    [
      'a claim named like a property of every object',
      { constructor: { name: 'alice' } },
      'constructor.name',
      'alice',
    ],
  ])('is %s', (_what, claims, claim, id) => {
    expect(clientIdIn(claims, claim)).toBe(id);
  });

  it.each<[string, object, string]>([
    ['a claim that is missing', { aud: 'alice' }, 'sub'],
    ['null', { sub: null }, 'sub'],
    ['a boolean', { sub: true }, 'sub'],
    ['an object', { sub: { id: 'alice' } }, 'sub'],
    ['a list', { sub: ['alice'] }, 'sub'],
    ['a fraction', { uid: 1.5 }, 'uid'],
    ['a number too large to be exact', { uid: 9007199254740992 }, 'uid'],
    ['a number beyond the range of JavaScript', JSON.parse('{"uid":1e400}') as object, 'uid'],
    ['a path that ends early', { user: { name: 'alice' } }, 'user.id'],
    ['a path through a string', { user: 'alice' }, 'user.length'],
    ['a path through null', { user: null }, 'user.id'],
    ['a path into a list', { users: ['alice'] }, 'users.0'],
    ['a path with an empty part', { user: { id: 'alice' } }, 'user..id'],
    ['a property that every object inherits', {}, 'constructor.name'],
    ['the prototype', {}, '__proto__.sub'],
  ])('is missing for %s', (_what, claims, claim) => {
    expect(clientIdIn(claims, claim)).toBeUndefined();
  });
});

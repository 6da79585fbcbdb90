import { describe, expect, it } from 'vitest';
import { bearerToken } from '../../src/identity/client-identity.guard.js';

/** What Node makes of these Authorization headers: it keeps the first. */
function read(...values: string[]): string {
  const [authorization] = values;
  return bearerToken({
    headers: authorization === undefined ? {} : { authorization },
    rawHeaders: ['Host', 'authorization', ...values.flatMap((value) => ['AUTHORIZATION', value])],
  });
}

describe('the token of a request', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER abc', 'abc'],
    ['Bearer   abc  ', 'abc'],
    ['Bearer a.b-c_d~e+f/g==', 'a.b-c_d~e+f/g=='],
    [`Bearer ${'a'.repeat(8192)}`, 'a'.repeat(8192)],
  ])('%.20s… is read', (header, token) => {
    expect(read(header)).toBe(token);
  });

  it.each<[string, string[]]>([
    ['no header', []],
    ['an empty header', ['']],
    ['another scheme', ['Basic YWxpY2U6aHVzaA==']],
    ['another scheme that begins alike', ['BearerToken abc']],
    ['a token without a scheme', ['abc']],
  ])('%s: identity_required', (_what, headers) => {
    expect(() => read(...headers)).toThrow(expect.objectContaining({ code: 'identity_required' }));
  });

  it.each<[string, string[]]>([
    ['no token', ['Bearer']],
    ['blanks for a token', ['Bearer   ']],
    ['two tokens in one header', ['Bearer abc def']],
    ['two tokens with a comma', ['Bearer abc, Bearer def']],
    ['quotes around the token', ['Bearer "abc"']],
    ['characters no token has', ['Bearer aé']],
    ['an end of line within', ['Bearer abc\n']],
    ['8193 bytes', [`Bearer ${'a'.repeat(8193)}`]],
    ['two headers', ['Bearer abc', 'Bearer def']],
    ['two headers that say the same', ['Bearer abc', 'Bearer abc']],
    ['another scheme in a second header', ['Bearer abc', 'Basic YWxpY2U6aHVzaA==']],
    ['another scheme in a first header', ['Basic YWxpY2U6aHVzaA==', 'Bearer abc']],
  ])('%s: identity_invalid', (_what, headers) => {
    expect(() => read(...headers)).toThrow(expect.objectContaining({ code: 'identity_invalid' }));
  });
});

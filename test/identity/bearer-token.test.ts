import { describe, expect, it } from 'vitest';
import { bearerToken } from '../../src/identity/client-identity.guard.js';

/** Of several Authorization headers Node keeps the first. */
function read(...values: string[]): string {
  const [authorization] = values;
  return bearerToken({
    headers: authorization === undefined ? {} : { authorization },
    rawHeaders: ['Host', 'authorization', ...values.flatMap((value) => ['AUTHORIZATION', value])],
  });
}

describe('the bearer token of a request', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER abc', 'abc'],
    ['Bearer   abc  ', 'abc'],
    ['Bearer a.b-c_d~e+f/g==', 'a.b-c_d~e+f/g=='],
    [`Bearer ${'a'.repeat(8192)}`, 'a'.repeat(8192)],
  ])('is read from %.20s…', (header, token) => {
    expect(read(header)).toBe(token);
  });

  it.each<[string, string[]]>([
    ['no header', []],
    ['an empty header', ['']],
    ['another scheme', ['Basic YWxpY2U6aHVzaA==']],
    ['another scheme that begins with Bearer', ['BearerToken abc']],
    ['a token without a scheme', ['abc']],
  ])('is required: %s', (_what, headers) => {
    expect(() => read(...headers)).toThrow(expect.objectContaining({ code: 'identity_required' }));
  });

  it.each<[string, string[]]>([
    ['no token', ['Bearer']],
    ['spaces for a token', ['Bearer   ']],
    ['two tokens in one header', ['Bearer abc def']],
    ['two tokens with a comma', ['Bearer abc, Bearer def']],
    ['quotes around the token', ['Bearer "abc"']],
    ['characters outside of the syntax of tokens', ['Bearer aé']],
    ['a line break at the end', ['Bearer abc\n']],
    ['a token of 8193 bytes', [`Bearer ${'a'.repeat(8193)}`]],
    ['two headers', ['Bearer abc', 'Bearer def']],
    ['two equal headers', ['Bearer abc', 'Bearer abc']],
    ['another scheme in a second header', ['Bearer abc', 'Basic YWxpY2U6aHVzaA==']],
    ['another scheme in a first header', ['Basic YWxpY2U6aHVzaA==', 'Bearer abc']],
  ])('is invalid: %s', (_what, headers) => {
    expect(() => read(...headers)).toThrow(expect.objectContaining({ code: 'identity_invalid' }));
  });
});

import { ProblemError, type ProblemCode } from './problem-error.js';

/** `clientId` is at most 64 characters in the LeanCloud documents; all ids share the limit. A character is a Unicode code point. */
export const MAX_ID_LENGTH = 64;

/** In `u` mode `\p{Cc}` is a control character and `\p{Cs}` only a surrogate without its other half. */
const ID = new RegExp(String.raw`^[^:\p{Cc}\p{Cs}]{1,${MAX_ID_LENGTH}}$`, 'u');

/** Whether a text may be an app's, a client's, a conversation's or a member's id. It is taken as given, never normalised. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** Which rule the text breaks, to be read after "The client id"; only for a text that is no id. */
export function idFault(text: string): string {
  if (text === '') return 'is empty';
  // The signed message joins its parts with ":" and has no escaping: "a:b" could pass for two ids.
  if (text.includes(':')) return 'contains ":", which separates the parts of the signed message';
  if (/\p{Cc}/u.test(text)) return 'contains a control character';
  if (/\p{Cs}/u.test(text)) return 'contains half of a surrogate pair';
  return `has ${Array.from(text).length} characters, ${MAX_ID_LENGTH} are allowed`;
}

/** @throws {ProblemError} with the given code when the text is no id. */
export function requireId(text: string, code: ProblemCode, name: string): void {
  if (!isId(text)) throw new ProblemError(code, `The ${name} ${idFault(text)}.`);
}

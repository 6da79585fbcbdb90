import { ProblemError, type ProblemCode } from './problem-error.js';

/** In Unicode code points: the limit of `clientId` in the LeanCloud documents, here for all ids. */
export const MAX_ID_LENGTH = 64;
/** In `u` mode `\p{Cc}` is a control character and `\p{Cs}` only a surrogate without its other half. */
const ID = new RegExp(String.raw`^[^:\p{Cc}\p{Cs}]{1,${MAX_ID_LENGTH}}$`, 'u');

/** An id in a pattern of the API document, whose readers have no `\p`; half a surrogate pair cannot reach this service. */
export const ID_PATTERN = String.raw`[^:\x00-\x1f\x7f-\x9f]{1,${MAX_ID_LENGTH}}`;

/** Whether a text may be the id of an app, a client, a conversation or a member. It is never normalised. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** The rule that a text breaks which is no id, worded to follow "The client id". */
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

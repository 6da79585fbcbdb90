import type { Diagnosis, Time } from './diagnose.js';
import type { MistakeCode } from './mistakes.js';

/** Each mistake in plain words, and what to do instead. */
export const MISTAKE_TEXTS: Readonly<Record<MistakeCode, string>> = {
  signature_missing:
    'There is no signature: the factory returned before the answer came, or read another field than "signature".',
  signature_form: 'The signature is not written as 40 digits of lower-case hexadecimal, such as upper-case or base64.',
  hash: 'Another hash was used: the signature is an HMAC-SHA1.',
  another_action:
    "The message of another action was signed: each operation has its own, and a login's signature is good for logins only.",
  action_word:
    'Another word was signed in place of the action: it is "invite", not "add" or "join", and "kick", not "remove"; login and create have none.',
  own_id:
    "The client's own id was signed but not sent as a member, or sent and not signed: sign the very list that the SDK sends.",
  members_order:
    "The member ids were signed in another order: sort them by UTF-16 code unit, as JavaScript's sort() does, not by number or language.",
  members_repeated: 'A member id that is sent twice was signed once: repeats are kept.',
  members_separator: 'The member ids were joined with something else than ":".',
  members_missing: 'The member ids were left out.',
  timestamp_unit:
    'The timestamp that was signed is in another unit than the one that was sent: send it as signed, digit by digit.',
  timestamp_fraction:
    'The timestamp has a fraction, which the protocol of the SDKs cuts off: ask the service with ?format=sdk, and pass the number on as it is.',
  timestamp_text: 'The timestamp is not a whole number written in digits.',
  nonce_order:
    'The timestamp and the nonce were signed in the wrong order: the timestamp comes first, and only for "query" the nonce.',
  nonce_text:
    'The nonce that was signed differs from the one that was sent, or is none: send it unchanged, and keep to letters and digits.',
  ids_exchanged: 'Two ids were exchanged: the order is app, client, conversation.',
  id_text:
    'An id was signed in another form than it is sent, such as percent-encoded or in lower case, or it holds ":".',
  encoding: 'The message was not encoded as UTF-8.',
  another_version: "The signature was made with another version of the app's master key than the one in force.",
  app_key: 'The App Key was used: the signature is made with the Master Key.',
  another_app: 'The signature belongs to another app: the SDK and the service have to name the same app.',
  key_text: 'The master key was used in another form, such as with a line break at its end, or as the message.',
};

const TIME_TEXTS: Readonly<Record<Exclude<Time, 'in time'>, string>> = {
  'too old':
    'The timestamp is more than 6 hours old: the IM server refuses it by now. Ask for a signature for each operation.',
  ahead: 'The timestamp is more than 5 minutes ahead of this service: look at the clock of the machine that signs.',
  unreadable: 'The timestamp is no number of seconds or milliseconds.',
};

const RIGHT = 'This signature is right: the IM server computes the same for this operation.';
const UNEXPLAINED = [
  'This signature is wrong, and no mistake that is known explains it, alone or with a second one.',
  'It may be that of another request: take the timestamp, the nonce and the signature from the same answer. Or it was made with another key.',
  'If the timestamp was signed with a fraction, enter it as it was signed.',
];

/** The verdict in sentences, the first of which names the mistake. */
export function explain({ verdict, mistakes, time }: Diagnosis): string[] {
  const sentences = mistakes.map((code) => MISTAKE_TEXTS[code]);
  if (verdict === 'right') sentences.push(RIGHT);
  if (verdict === 'unexplained') sentences.unshift(...UNEXPLAINED);
  if (time !== 'in time') sentences.push(TIME_TEXTS[time]);
  return sentences;
}

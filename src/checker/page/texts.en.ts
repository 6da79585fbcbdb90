import messages from '../../../spec/messages.json' with { type: 'json' };
import type { Diagnosis } from '../diagnose.js';
import type { ActionName, PartName } from './message.js';

/** `late`: right, and not in time. */
export type Verdict = Diagnosis['verdict'] | 'late';

export interface Texts {
  /** By the attribute `data-text` of the page. */
  readonly page: Readonly<Record<string, string>>;
  readonly actions: Readonly<Record<ActionName, string>>;
  readonly parts: Readonly<Record<PartName, string>>;
  readonly missing: string;
  readonly noMembers: string;
  /** @param resorted whether the order is another than that of the form. */
  readonly members: (count: number, resorted: boolean) => string;
  readonly verdicts: Readonly<Record<Verdict, string>>;
  readonly asking: string;
  readonly refused: string;
  readonly unreachable: string;
}

export const EN = {
  page: {
    title: 'Why is my signature refused?',
    intro:
      'Enter the operation as it was sent to the messaging server, with the signature that was refused. This service says which mistake explains it, and never what the right signature is.',
    paste: 'An answer of this service (JSON), pasted into any field, fills in all of them.',
    action: 'Action',
    app_id: 'App id',
    client_id: 'Client id',
    conversion_id: 'Conversation id',
    members: 'Members',
    members_hint: 'In the order sent: one on each line, or a JSON array.',
    commas: 'An id may contain a comma. Are these several ids?',
    split: 'Split at commas',
    timestamp: 'Timestamp',
    timestamp_hint: 'Exactly as sent.',
    nonce: 'Nonce',
    signature: 'Signature',
    signature_hint: 'The one that was refused.',
    app_key: 'App Key (optional)',
    app_key_hint: 'To see whether it was taken for the Master Key. Never enter the Master Key anywhere.',
    submit: 'Check the signature',
    message_title: 'What has to be signed',
    message_intro: 'HMAC-SHA1 of this text in UTF-8, under the Master Key of the app, in lower-case hex.',
  },
  actions: Object.fromEntries(Object.entries(messages).map(([name, { operation }]) => [name, operation])) as Record<
    ActionName,
    string
  >,
  parts: {
    app_id: 'app id',
    client_id: 'client id',
    conversion_id: 'conversation id',
    members: 'members',
    empty: 'empty',
    timestamp: 'timestamp',
    nonce: 'nonce',
    action: 'action',
  },
  missing: 'still to be entered',
  noMembers: 'no members here, and the colons stay',
  members: (count: number, resorted: boolean) =>
    `${count} ${count === 1 ? 'id' : 'ids, sorted by UTF-16 code unit and joined with “:”'}${resorted ? '; not in the order sent' : ''}`,
  verdicts: {
    right: 'Right',
    late: 'Right, but not at this time',
    mistaken: 'Wrong',
    unexplained: 'Wrong, by no known mistake',
  },
  asking: 'Checking …',
  refused: 'The service did not check it',
  unreachable: 'The service did not answer. Is there a connection?',
} satisfies Texts;

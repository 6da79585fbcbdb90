import { createHash, createHmac } from 'node:crypto';
import { type Action, ACTIONS, type ActionName, type MessageParts } from '../signature/actions.js';
import type { Claim, KnownKeys } from './diagnose.js';

/** What would be signed, and how; a mistake makes other drafts of it. */
export interface Draft {
  readonly action: ActionName;
  readonly appId: string;
  readonly clientId: string;
  readonly conversationId: string;
  /** In the order in which they are signed. */
  readonly members: readonly string[];
  readonly separator: string;
  readonly timestamp: string;
  readonly nonce: string;
  readonly message: (parts: MessageParts) => string;
  readonly key: Buffer;
  readonly digest: (hash: string, key: Buffer, message: string) => Buffer;
}

/** What may have been done wrong: the drafts that it leads to, the likeliest first. Drafts that change nothing do no harm. */
type Mistake = (draft: Draft, claim: Claim, keys: KnownKeys) => Iterable<Draft>;

const NAMES = Object.keys(ACTIONS) as ActionName[];
/** Words that were found at the end of messages, in place of the right one or where none belongs. */
const WORDS = [
  'add',
  'join',
  'remove',
  'quit',
  'leave',
  'create',
  'creat',
  'start',
  'open',
  'block',
  'unblock',
  'query',
  'su',
  ...NAMES,
];
/** Chinese has its own order, and many sort "9" before "10". */
const COLLATORS = [
  new Intl.Collator('en'),
  new Intl.Collator('en', { numeric: true }),
  new Intl.Collator('zh'),
  new Intl.Collator('zh', { numeric: true }),
];
const SEPARATORS = [',', ', ', ';', '|', ' ', '', '-', '_'];

export const MISTAKES = {
  another_action: (draft) =>
    NAMES.filter((name) => {
      const { conversation, members, named }: Action = ACTIONS[name];
      if (conversation && draft.conversationId === '') return false;
      // Such a message is likelier that of the action itself, without its members and with another word.
      return !(named && members === 'none' && draft.members.length > 0);
    }).map((name) => ({ ...draft, action: name, message: ACTIONS[name].message })),
  action_word: (draft) => {
    const { named } = ACTIONS[draft.action];
    const bare = (parts: MessageParts) =>
      named ? draft.message(parts).slice(0, -1 - draft.action.length) : draft.message(parts);
    return ['', ...WORDS, draft.action.toUpperCase()].map((word) => ({
      ...draft,
      message: (parts) => bare(parts) + (word === '' ? '' : `:${word}`),
    }));
  },
  members_repeated: (draft) => [{ ...draft, members: [...new Set(draft.members)] }],
  own_id: (draft) => {
    const others = draft.members.filter((id) => id !== draft.clientId);
    return [
      { ...draft, members: others },
      { ...draft, members: [...others, draft.clientId].sort() },
    ];
  },
  members_order: (draft, { members }) => {
    // Those that are sent, and among them those of the draft: the own id may have been left out, or added.
    const [signed, wired] = [new Set(draft.members), new Set(members)];
    const kept = members.filter((id) => signed.has(id));
    const added = draft.members.filter((id) => !wired.has(id));
    const sent = [...kept, ...added];
    const numeric = (a: string, b: string) => Number(a) - Number(b) || (a < b ? -1 : 1);
    const byCodePoint = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    const ignoringCase = (a: string, b: string) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1);
    return [
      sent,
      [...added, ...kept],
      ...[numeric, ...COLLATORS.map((collator) => collator.compare), byCodePoint, ignoringCase].map((by) =>
        sent.toSorted(by),
      ),
      draft.members.toReversed(),
    ].map((list) => ({ ...draft, members: list }));
  },
  members_separator: (draft) => [
    ...(draft.members.length < 2 ? [] : SEPARATORS.map((separator) => ({ ...draft, separator }))),
    { ...draft, members: [JSON.stringify(draft.members)] },
  ],
  members_missing: (draft) => [{ ...draft, members: [] }],
  timestamp_unit: (draft) => otherUnits(draft.timestamp).map((timestamp) => ({ ...draft, timestamp })),
  timestamp_fraction: (draft) => otherFractions(draft.timestamp).map((timestamp) => ({ ...draft, timestamp })),
  timestamp_text: (draft) => [{ ...draft, timestamp: draft.timestamp.replace(/[^\d.]/g, '') }],
  nonce_order: (draft) => [
    { ...draft, message: (parts) => draft.message({ ...parts, timestamp: parts.nonce, nonce: parts.timestamp }) },
  ],
  nonce_text: (draft) =>
    [
      draft.nonce.trim(),
      draft.nonce.replaceAll('+', ' '),
      draft.nonce.replaceAll(' ', '+'),
      // Base64 ends with "=", and some encoders add a line break.
      draft.nonce.replace(/={1,2}$/, ''),
      `${draft.nonce}=`,
      `${draft.nonce}==`,
      `${draft.nonce}\n`,
      encodeURIComponent(draft.nonce),
      draft.nonce.toLowerCase(),
    ].map((nonce) => ({ ...draft, nonce })),
  ids_exchanged: (draft) => [
    { ...draft, clientId: draft.conversationId, conversationId: draft.clientId },
    { ...draft, appId: draft.clientId, clientId: draft.appId },
  ],
  id_text: (draft) => ID_TEXTS.map((change) => withIds(draft, change)),
  encoding: (draft) =>
    (['latin1', 'utf16le'] as const).map((encoding) => ({
      ...draft,
      digest: (hash, key, message) => createHmac(hash, key).update(message, encoding).digest(),
    })),
  another_version: (draft, _, { otherVersions }) => otherVersions.map((key) => ({ ...draft, key })),
  app_key: (draft, _, { appKey }) => (appKey === undefined ? [] : [{ ...draft, key: appKey }]),
  key_text: (draft) => [
    ...KEY_TEXTS.map((change) => ({ ...draft, key: Buffer.from(change(draft.key.toString())) })),
    { ...draft, digest: (hash, key, message) => createHmac(hash, message).update(key).digest() },
    { ...draft, digest: (hash, key, message) => createHash(hash).update(message).update(key).digest() },
    { ...draft, digest: (hash, key, message) => createHash(hash).update(key).update(message).digest() },
  ],
} as const satisfies Record<string, Mistake>;

/** Those that need no HMAC to be seen. */
type SeenMistake = 'signature_missing' | 'signature_form' | 'hash';
export type MistakeCode = keyof typeof MISTAKES | (typeof MANY)[number][0] | SeenMistake;

const ID_TEXTS: readonly ((id: string) => string)[] = [
  encodeURIComponent,
  (id) => id.toLowerCase(),
  (id) => id.toUpperCase(),
  (id) => id.trim(),
  (id) => id.normalize('NFC'),
  (id) => id.normalize('NFD'),
  (id) => JSON.stringify(id),
];

const KEY_TEXTS: readonly ((key: string) => string)[] = [
  (key) => `${key}\n`,
  (key) => `${key}\r\n`,
  (key) => `${key} `,
  (key) => key.trim(),
  (key) => `${key},master`,
  (key) => key.toLowerCase(),
];

function withIds(draft: Draft, change: (id: string) => string): Draft {
  const { appId, clientId, conversationId, members } = draft;
  return {
    ...draft,
    appId: change(appId),
    clientId: change(clientId),
    conversationId: change(conversationId),
    members: members.map(change),
  };
}

/** The same moment in other units, as far as the digits tell it. */
function otherUnits(timestamp: string): string[] {
  if (!/^\d{10}(?:\d{3}|\d{6})?$/.test(timestamp)) return [];
  const seconds = timestamp.slice(0, 10);
  const rest = timestamp.slice(10);
  const milliseconds = rest.slice(0, 3).padEnd(3, '0');
  const fractions = rest === '' ? [] : [`${seconds}.${rest}`, `${seconds}.${rest.padEnd(6, '0')}`];
  return [seconds, seconds + milliseconds, ...fractions, seconds + rest.padEnd(6, '0'), String(Number(seconds) + 1)];
}

/** A timestamp with a fraction as numbers and protocols leave it, or as it was before. */
function otherFractions(timestamp: string): string[] {
  const [, seconds = '', fraction = ''] = /^(\d{10})\.(\d{1,9})$/.exec(timestamp) ?? [];
  if (seconds === '') return [];
  const milliseconds = seconds + fraction.slice(0, 3).padEnd(3, '0');
  return [seconds, milliseconds, `${seconds}.${fraction.padEnd(6, '0')}`, `${seconds}.${fraction.slice(0, 6)}`];
}

/** Those that lead to many drafts: with a second one `another_app` is tried last, and `lostDigits` never. */
export const MANY = [
  ['another_app', otherApps],
  ['timestamp_unit', lostDigits],
] as const satisfies [string, Mistake][];

export function otherApps(draft: Draft, _: Claim, keys: KnownKeys): Draft[] {
  return keys.otherApps.flatMap(({ appId, master }) => [
    { ...draft, appId, key: master },
    { ...draft, key: master },
    { ...draft, appId },
  ]);
}

/** With the digits that a timestamp has lost on its way. */
function* lostDigits(draft: Draft): Generator<Draft> {
  const { timestamp } = draft;
  if (!/^\d{10}(?:\d{3})?$/.test(timestamp)) return;
  for (let digits = 0; digits < 1000; digits++) {
    const lost = String(digits).padStart(3, '0');
    yield { ...draft, timestamp: timestamp + lost };
    yield { ...draft, timestamp: `${timestamp.slice(0, 10)}.${timestamp.slice(10)}${lost}` };
  }
}

import { createHmac, timingSafeEqual } from 'node:crypto';
import { isId } from '../problems/ids.js';
import { ACTIONS, type ActionName } from '../signature/actions.js';
import { MAX_AGE, MAX_AHEAD, signedAt } from '../signature/timestamp.js';
import { type Draft, MANY, type MistakeCode, MISTAKES, otherApps } from './mistakes.js';
import { type Hmac, readSignature } from './read-signature.js';

/** An operation and the signature that came with it, as the IM server got them. */
export interface Claim {
  readonly action: ActionName;
  readonly appId: string;
  readonly clientId: string;
  /** Empty for an action outside conversations. */
  readonly conversationId: string;
  /** In the order in which they were sent. */
  readonly members: readonly string[];
  readonly timestamp: string;
  readonly nonce: string;
  readonly signature: string;
}

/** What the signature may have been made with. */
export interface KnownKeys {
  /** The app's master key in force. */
  readonly master: Buffer;
  /** Its other versions, earlier and scheduled. */
  readonly otherVersions: readonly Buffer[];
  /** The App Key, which is public, where the caller gave it. */
  readonly appKey?: Buffer | undefined;
  readonly otherApps: readonly { readonly appId: string; readonly master: Buffer }[];
}

/** Of the timestamp: more than 6 hours old, more than 5 minutes ahead, or no whole number of seconds or milliseconds. */
export type Time = 'in time' | 'too old' | 'ahead' | 'unreadable';

export interface Diagnosis {
  /** `unexplained`: no mistake that is known leads to the signature. */
  readonly verdict: 'right' | 'mistaken' | 'unexplained';
  /** What is wrong, the one to begin with first; where `unexplained`, what can be seen without the key. */
  readonly mistakes: readonly MistakeCode[];
  readonly time: Time;
  /** What has to be signed. */
  readonly message: string;
}

/** Bounds of the work, some 20 ms: HMACs, and bytes that go into them. */
const MAX_HMACS = 6_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** What it costs to sort a member id, in bytes of a message. */
const SORTING = 16;

/**
 * Says which mistakes explain a signature, by making them: each alone, then in pairs. Says whether the signature matches, and never what would.
 *
 * @param now milliseconds since 1970.
 */
export function diagnose(claim: Claim, keys: KnownKeys, now: number): Diagnosis {
  const right = rightDraft(claim, keys.master);
  const told = { time: timeOf(claim.timestamp, now), message: messageOf(right) };
  const { hmac, mistakes: ofSignature } = readSignature(claim.signature);
  if (hmac === undefined) return { verdict: 'mistaken', mistakes: ofSignature, ...told };
  const seen = [...ofSignature, ...shapeMistakes(claim)];
  const made = search(right, claim, keys, hmac);
  const mistakes = [...new Set([...(made ?? []), ...seen])];
  const verdict = made === undefined ? 'unexplained' : mistakes.length === 0 ? 'right' : 'mistaken';
  return { verdict, mistakes, ...told };
}

/** The mistakes that together lead to the signature: none, one or two. Undefined where no two do. */
function search(right: Draft, claim: Claim, keys: KnownKeys, { bytes, hash }: Hmac): MistakeCode[] | undefined {
  let hmacs = 0;
  let read = 0;
  /** Under the usual key. Many drafts differ in nothing that is there, such as in the order of one member. */
  const tried = new Set<string>();
  for (const { draft, made } of attempts(right, claim, keys)) {
    const message = messageOf(draft);
    read += message.length + SORTING * draft.members.length;
    if (read > MAX_BYTES) return undefined;
    if (draft.key === right.key && draft.digest === right.digest) {
      if (tried.has(message)) continue;
      tried.add(message);
    }
    if (++hmacs > MAX_HMACS) return undefined;
    if (timingSafeEqual(draft.digest(hash, draft.key, message), bytes)) return made;
  }
  return undefined;
}

function* attempts(right: Draft, claim: Claim, keys: KnownKeys): Generator<{ draft: Draft; made: MistakeCode[] }> {
  yield { draft: right, made: [] };
  for (const [code, make] of [...PAIRED, ...MANY]) {
    for (const draft of make(right, claim, keys)) yield { draft, made: [code] };
  }
  for (const [index, [first, make]] of PAIRED.entries()) {
    for (const draft of make(right, claim, keys)) {
      for (const [second, makeSecond] of PAIRED.slice(index + 1)) {
        for (const both of makeSecond(draft, claim, keys)) yield { draft: both, made: [first, second] };
      }
    }
  }
  for (const draft of otherApps(right, claim, keys)) {
    for (const [second, make] of PAIRED) {
      for (const both of make(draft, claim, keys)) yield { draft: both, made: ['another_app', second] };
    }
  }
}

const PAIRED = Object.entries(MISTAKES) as [keyof typeof MISTAKES, (typeof MISTAKES)[keyof typeof MISTAKES]][];

function rightDraft(claim: Claim, key: Buffer): Draft {
  const { action, appId, clientId, conversationId, members, timestamp, nonce } = claim;
  return {
    action,
    appId,
    clientId,
    conversationId,
    members: members.toSorted(),
    separator: ':',
    timestamp,
    nonce,
    message: ACTIONS[action].message,
    key,
    digest: (hash, by, message) => createHmac(hash, by).update(message).digest(),
  };
}

function messageOf(draft: Draft): string {
  return draft.message({
    app_id: draft.appId,
    client_id: draft.clientId,
    conversion_id: draft.conversationId,
    sorted_member_ids: draft.members.join(draft.separator),
    timestamp: draft.timestamp,
    nonce: draft.nonce,
  });
}

/** What an IM server cannot take, whatever was signed. */
function shapeMistakes({ action, appId, clientId, conversationId, members, timestamp, nonce }: Claim): MistakeCode[] {
  const ids = [appId, clientId, ...(ACTIONS[action].conversation ? [conversationId] : []), ...members];
  const mistakes: MistakeCode[] = [];
  if (/^\d+\.\d+$/.test(timestamp)) mistakes.push('timestamp_fraction');
  else if (!/^\d{1,18}$/.test(timestamp)) mistakes.push('timestamp_text');
  if (!isId(nonce)) mistakes.push('nonce_text');
  if (!ids.every(isId)) mistakes.push('id_text');
  return mistakes;
}

function timeOf(timestamp: string, now: number): Time {
  if (!/^\d{1,18}(?:\.\d+)?$/.test(timestamp)) return 'unreadable';
  const age = now - signedAt(timestamp);
  if (age > MAX_AGE) return 'too old';
  return age < -MAX_AHEAD ? 'ahead' : 'in time';
}

import { copyField } from '../bulk-load.js';
import type { Role } from '../decision.js';
import type { Line } from '../lines.js';
import { conversationOf, Fault, faultOfId, type Kind, roleOf } from './objects.js';

export const CONVERSATION = '_Conversation';
export const MEMBER_INFO = '_ConversationMemberInfo';

/** Characters of a wrong line, or of a wrong id, that the rejects file shows. */
const MAX_SHOWN = 200;
/** Rows that are made at a time: a conversation may have a million members. */
const MEMBERS_AT_A_TIME = 1_000;

/** The objects of an export, each with a number; and the members of those conversations whose members count. */
export const EXPORT_ROWS = `
  CREATE TEMPORARY TABLE export_rows (
    what text NOT NULL CHECK (what IN ('conversation', 'member', 'role')),
    object integer NOT NULL,
    file integer, line bigint,
    -- Of a conversation; unknown: not even its id can be read.
    kind text,
    conversation_id text, client_id text,
    -- Of a conversation "absent" where its creator is no member.
    role text,
    reject text
  ) ON COMMIT DROP`;

/** What was read. */
export class Tally {
  conversations = 0;
  /** Of ordinary conversations. */
  members = 0;
  /** Of chat rooms and service conversations. */
  ignoredMembers = 0;
  /** Further ones of the same conversation. */
  repeatedMembers = 0;
  roles = 0;
  /** Ids of conversations and clients that break the rules. */
  badIds = 0;
  /** The lines of other classes in archives. */
  readonly otherClasses = new Map<string, number>();
  /** Those of the two classes that there is a file of. */
  readonly classes = new Set<string>();
  /** As numbered from 1 in `export_rows`. */
  readonly files: string[] = [];
  /** The number of the last object. */
  objects = 0;
}

interface Row {
  readonly what: 'conversation' | 'member' | 'role';
  readonly file?: number;
  readonly line?: number;
  readonly kind?: Kind | 'unknown' | undefined;
  readonly conversationId?: string | undefined;
  readonly clientId?: string;
  readonly role?: Role | 'absent' | undefined;
  readonly reject?: string;
}

/** The row of a line, or of an object in it, that is rejected as a whole. @param text its beginning, at least. */
export function wholeRow(what: 'conversation' | 'role', fault: Fault, text: string, line: Line, tally: Tally): string {
  tally.objects++;
  if (what === 'conversation') tally.conversations++;
  else tally.roles++;
  const { conversationId, badId } = fault.about;
  const isUnknown = what === 'conversation' && conversationId === undefined && badId === undefined;
  const row = { what, conversationId, kind: isUnknown ? 'unknown' : undefined } as const;
  return rejectRow(row, fault, line, tally, { text: shown(text) });
}

/** @param text makes the beginning of the object's text, at least. */
export function* conversationRows(object: unknown, text: () => string, line: Line, tally: Tally): Generator<string> {
  const conversation = conversationOf(object);
  if (conversation instanceof Fault) {
    yield wholeRow('conversation', conversation, text(), line, tally);
    return;
  }
  tally.conversations++;
  tally.objects++;
  const { conversationId, kind, creator, members } = conversation;
  const counts = kind === 'ordinary' || kind === 'unique';
  const role = counts && creator !== undefined && !members.includes(creator) ? 'absent' : undefined;
  yield rowOf({ what: 'conversation', file: tally.files.length, line: line.number, kind, conversationId, role }, tally);
  if (!counts) {
    tally.ignoredMembers += members.length;
    return;
  }
  tally.members += members.length;
  const seen = new Set<unknown>();
  let rows = '';
  for (const [i, clientId] of members.entries()) {
    const fault = faultOfId('a member in m', clientId);
    if (fault !== undefined) {
      rows += rejectRow({ what: 'member' }, fault, line, tally, { conversation_id: conversationId });
    } else if (seen.has(clientId)) tally.repeatedMembers++;
    else {
      seen.add(clientId);
      const owner = clientId === creator ? 'owner' : undefined;
      rows += rowOf({ what: 'member', clientId: clientId as string, role: owner }, tally);
    }
    if (i % MEMBERS_AT_A_TIME < MEMBERS_AT_A_TIME - 1) continue;
    yield rows;
    rows = '';
  }
  yield rows;
}

/** @param text as above. */
export function roleRow(object: unknown, text: () => string, line: Line, tally: Tally): string {
  const role = roleOf(object);
  if (role instanceof Fault) return wholeRow('role', role, text(), line, tally);
  tally.objects++;
  tally.roles++;
  return rowOf({ what: 'role', file: tally.files.length, line: line.number, ...role }, tally);
}

function rejectRow(row: Row, fault: Fault, line: Line, tally: Tally, about: Record<string, string>): string {
  const { badId } = fault.about;
  if (badId !== undefined) tally.badIds++;
  const reject = { reason: fault.reason, ...about, ...(badId !== undefined && { id: shown(badId) }) };
  return rowOf({ ...row, file: tally.files.length, line: line.number, reject: JSON.stringify(reject) }, tally);
}

/** In the CSV of COPY, for the object that was begun last. */
function rowOf(row: Row, { objects }: Tally): string {
  const { what, file = '', line = '', kind, conversationId, clientId, role, reject } = row;
  const texts = [kind, conversationId, clientId, role, reject].map(copyField).join();
  return `${what},${objects},${file},${line},${texts}\n`;
}

function shown(text: string): string {
  return text.slice(0, MAX_SHOWN);
}

import { idFault, isId } from '../../problems/ids.js';
import type { Role } from '../decision.js';

/** `unique`: an ordinary conversation, of which there is one for its members. */
export type Kind = 'ordinary' | 'unique' | 'chat room' | 'service';

export interface ExportedConversation {
  readonly conversationId: string;
  readonly kind: Kind;
  readonly creator: string | undefined;
  /** Unchecked: one wrong member makes no wrong conversation. */
  readonly members: readonly unknown[];
}

export interface ExportedRole {
  readonly conversationId: string;
  readonly clientId: string;
  readonly role: Role;
}

/** Why an object, or a member in one, is not taken. */
export class Fault {
  constructor(
    readonly reason: string,
    readonly about: {
      /** The id of the object, where that is right and something else is not. */
      readonly conversationId?: string;
      /** An id that is text and breaks the rules. */
      readonly badId?: string;
    } = {},
  ) {}
}

type Fields = Partial<Record<string, unknown>>;

const ROLES: Partial<Record<string, Role>> = { Owner: 'owner', Manager: 'manager', Member: 'member' };

/** Reads an object of the class `_Conversation`. Fields that are not needed, dates among them, are passed over. */
export function conversationOf(value: unknown): ExportedConversation | Fault {
  if (!isObject(value)) return NO_OBJECT;
  const { objectId, c: creator, m: members, tr, sys, unique } = value;
  const fault = faultOfId('objectId', objectId);
  if (fault !== undefined) return fault;
  const conversationId = objectId as string;
  const wrong = (reason: string): Fault => new Fault(reason, { conversationId });
  for (const [name, flag] of Object.entries({ tr, sys, unique })) {
    if (!isAbsent(flag) && typeof flag !== 'boolean') return wrong(`${name} is neither true nor false`);
  }
  if (!isAbsent(creator) && typeof creator !== 'string') return wrong('c is no text');
  if (!isAbsent(members) && !Array.isArray(members)) return wrong('m is no array');
  return {
    conversationId,
    kind: sys === true ? 'service' : tr === true ? 'chat room' : unique === true ? 'unique' : 'ordinary',
    creator: isAbsent(creator) || creator === '' ? undefined : creator,
    members: isAbsent(members) ? [] : members,
  };
}

/** Reads an object of the class `_ConversationMemberInfo`. */
export function roleOf(value: unknown): ExportedRole | Fault {
  if (!isObject(value)) return NO_OBJECT;
  const { cid, clientId, role: name } = value;
  const fault = faultOfId('cid', cid) ?? faultOfId('clientId', clientId);
  if (fault !== undefined) return fault;
  const role = typeof name === 'string' && Object.hasOwn(ROLES, name) ? ROLES[name] : undefined;
  if (role === undefined) return new Fault('role is none of Owner, Manager and Member');
  return { conversationId: cid as string, clientId: clientId as string, role };
}

/** Undefined where the value is an id. @param name how the value is called in the reason. */
export function faultOfId(name: string, value: unknown): Fault | undefined {
  if (isAbsent(value)) return new Fault(`${name} is missing`);
  if (typeof value !== 'string') return new Fault(`${name} is no text`);
  return isId(value) ? undefined : new Fault(`${name} ${idFault(value)}`, { badId: value });
}

const NO_OBJECT = new Fault('is no JSON object');

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

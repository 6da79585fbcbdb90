import { isUtf8 } from 'node:buffer';
import { idFault, isId } from '../../problems/ids.js';
import type { Role } from '../decision.js';
import { type Line, MAX_LINE_BYTES } from './lines.js';

export interface Membership {
  readonly conversation_id: string;
  readonly client_id: string;
  readonly role: Role;
}

/** What a line names, in CSV by its header. */
export const FIELDS = ['conversation_id', 'client_id', 'role'] as const;
export type Field = (typeof FIELDS)[number];

const ROLES: ReadonlySet<unknown> = new Set<Role>(['owner', 'manager', 'member']);

/** A line of a file, and the membership in it or the reason why it cannot be loaded. */
export interface ParsedLine {
  readonly line: Line;
  readonly parsed: Membership | string;
}

/** What no line may be, whatever its format. */
export function lineFault({ bytes, length }: Line): string | undefined {
  if (length > MAX_LINE_BYTES) {
    return `has ${length} bytes, ${MAX_LINE_BYTES} are allowed; only its beginning is kept here`;
  }
  if (length === 0) return 'is empty';
  return isUtf8(bytes) ? undefined : 'is not UTF-8';
}

/** The membership that the values make, or the reason why they make none. */
export function membershipOf(values: Readonly<Partial<Record<Field, unknown>>>): Membership | string {
  const { conversation_id, client_id, role = 'member' } = values;
  const fault = faultOfId('conversation_id', conversation_id) ?? faultOfId('client_id', client_id);
  if (fault !== undefined) return fault;
  if (!ROLES.has(role)) return 'role is none of owner, manager and member';
  return { conversation_id, client_id, role } as Membership;
}

function faultOfId(field: Field, value: unknown): string | undefined {
  if (value === undefined) return `${field} is missing`;
  if (typeof value !== 'string') return `${field} is no text`;
  return isId(value) ? undefined : `${field} ${idFault(value)}`;
}

import { InvalidArgumentError } from 'commander';
import {
  supposeBanned,
  supposeConversation,
  supposeMembership,
  supposeRole,
  supposeUnregistered,
  type Supposition,
} from '../../conversations/explain/situation.js';

/** By name and value. A role or a rule supposes that the conversation is registered. */
const SUPPOSITIONS: Readonly<Record<string, Readonly<Record<string, Supposition>>>> = {
  role: {
    none: supposeRole(null),
    member: supposeRole('member'),
    manager: supposeRole('manager'),
    owner: supposeRole('owner'),
  },
  banned: { no: supposeBanned(false), yes: supposeBanned(true) },
  registered: { no: supposeUnregistered, yes: supposeConversation() },
  'join-rule': {
    anyone: supposeConversation({ joinRule: 'anyone' }),
    invited: supposeConversation({ joinRule: 'invited' }),
  },
  'invite-rule': {
    anyone: supposeConversation({ inviteRule: 'anyone' }),
    member: supposeConversation({ inviteRule: 'member' }),
    manager: supposeConversation({ inviteRule: 'manager' }),
    owner: supposeConversation({ inviteRule: 'owner' }),
  },
  'kick-rule': {
    anyone: supposeConversation({ kickRule: 'anyone' }),
    member: supposeConversation({ kickRule: 'member' }),
    manager: supposeConversation({ kickRule: 'manager' }),
    owner: supposeConversation({ kickRule: 'owner' }),
  },
  membership: {
    off: supposeMembership('off'),
    'where-registered': supposeMembership('where-registered'),
    required: supposeMembership('required'),
  },
};

/** Something that is otherwise: `role=manager`. */
export interface Supposed {
  readonly text: string;
  readonly supposition: Supposition;
}

export const SUPPOSED = `${Object.keys(SUPPOSITIONS).join(', ')} or member-limit, such as role=manager`;

/** @param before what was supposed before, by the same option. */
export function parseSupposition(text: string, before: readonly Supposed[] = []): Supposed[] {
  const [name = '', value = ''] = text.split(/=(.*)/s);
  return [...before, { text, supposition: suppositionOf(name, value) }];
}

function suppositionOf(name: string, value: string): Supposition {
  if (name === 'member-limit') {
    if (value !== 'none' && !/^[1-9]\d{0,8}$/.test(value)) {
      throw new InvalidArgumentError('member-limit is a whole number from 1, or none.');
    }
    return supposeConversation({ memberLimit: value === 'none' ? null : Number(value) });
  }
  const values = Object.hasOwn(SUPPOSITIONS, name) ? SUPPOSITIONS[name] : undefined;
  if (values === undefined) throw new InvalidArgumentError(`What can be supposed is ${SUPPOSED}.`);
  const supposition = Object.hasOwn(values, value) ? values[value] : undefined;
  if (supposition !== undefined) return supposition;
  throw new InvalidArgumentError(`${name} is one of ${Object.keys(values).join(', ')}.`);
}

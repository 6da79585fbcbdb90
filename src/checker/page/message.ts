import messages from '../../../spec/messages.json' with { type: 'json' };

export type ActionName = keyof typeof messages;
export const ACTION_NAMES = Object.keys(messages) as ActionName[];

/** A field of the form, by its name on the wire. */
export type FieldName =
  'app_id' | 'client_id' | 'conversion_id' | 'members' | 'timestamp' | 'nonce' | 'signature' | 'app_key';

/** What goes into a message, as typed. */
export type Fields = Readonly<Record<Exclude<FieldName, 'members' | 'signature' | 'app_key'>, string>> & {
  readonly action: ActionName;
  readonly members: readonly string[];
};

/** `empty`: where other messages have the members. */
export type PartName =
  'app_id' | 'client_id' | 'conversion_id' | 'members' | 'empty' | 'timestamp' | 'nonce' | 'action';

export interface Part {
  readonly name: PartName;
  readonly text: string;
}

export const takesConversation = (action: ActionName): boolean => messages[action].message.includes('{conversion_id}');
export const takesMembers = (action: ActionName): boolean => messages[action].members !== 'none';
export const needsMembers = (action: ActionName): boolean => messages[action].members === 'at least one';

/** The parts of the message that an operation has to sign, between its colons. */
export function partsOf(fields: Fields): Part[] {
  return messages[fields.action].message.split(':').map((piece): Part => {
    switch (piece) {
      case '':
        return { name: 'empty', text: '' };
      case '{sorted_member_ids}':
        // Without a function, `sort` goes by UTF-16 code unit.
        return { name: 'members', text: [...fields.members].sort().join(':') };
      case fields.action:
        return { name: 'action', text: piece };
      default: {
        const name = piece.slice(1, -1) as Exclude<PartName, 'members' | 'empty' | 'action'>;
        return { name, text: fields[name] };
      }
    }
  });
}

/** Reads the ids of members: JSON, with or without its brackets, or one on each line, or joined with ":" as in a message. */
export function readMembers(text: string): string[] {
  const bare = text.trim().replace(/,$/, '');
  for (const json of [bare, `[${bare}]`]) {
    try {
      const list: unknown = JSON.parse(json);
      if (Array.isArray(list) && list.length > 0 && list.every((id) => typeof id === 'string')) return list;
    } catch {
      // It is one of the others.
    }
  }
  return text.split(/[\n:]/).filter((id) => id !== '');
}

/** What the service answers or is asked, in JSON, for the form. Undefined where a text is something else. */
export function readAnswer(text: string): Record<FieldName | 'action', string> | undefined {
  let answer: Record<string, unknown>;
  try {
    answer = Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (!('app_id' in answer && 'client_id' in answer)) return undefined;
  const { sorted_member_ids: sorted, members } = answer;
  const field = (name: string): string => {
    const value = answer[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  // An answer names its action only where that is signed.
  const unnamed = 'conversion_id' in answer ? 'query' : sorted === undefined ? 'login' : 'conversion';
  return {
    action: field('action') || unnamed,
    app_id: field('app_id'),
    client_id: field('client_id'),
    conversion_id: field('conversion_id'),
    members: Array.isArray(members) ? members.join('\n') : field('sorted_member_ids').replaceAll(':', '\n'),
    timestamp: field('timestamp'),
    nonce: field('nonce'),
    signature: field('signature'),
    app_key: field('app_key'),
  };
}

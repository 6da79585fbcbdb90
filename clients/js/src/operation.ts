import { SignatureError } from './signature-error.js';

/** What stands after the client's id in the path of each action. */
const PATHS = {
  login: { conversation: false, members: false },
  conversion: { conversation: false, members: true },
  invite: { conversation: true, members: true },
  kick: { conversation: true, members: true },
  query: { conversation: true, members: false },
  'client-block-conversations': { conversation: true, members: false },
  'client-unblock-conversations': { conversation: true, members: false },
  'conversation-block-clients': { conversation: true, members: true },
  'conversation-unblock-clients': { conversation: true, members: true },
};

/** What the service signs, by its names. */
export type Action = keyof typeof PATHS;

export interface Operation {
  readonly action: Action;
  /** Who does it. */
  readonly clientId: string;
  /** For all actions but `login` and `conversion`. */
  readonly conversationId?: string | null;
  /** For `conversion`, `invite`, `kick` and `conversation-…-clients`, in any order. */
  readonly memberIds?: readonly string[];
}

/** In bytes, of path and query: the service's limit. */
const MAX_TARGET = 64 * 1024;

/** The operation in words, for errors. */
export function describe({ action, clientId, conversationId, memberIds = [] }: Operation): string {
  const more = memberIds.length - 3;
  const members = memberIds.slice(0, 3).join(', ') + (more > 0 ? ` and ${more} more` : '');
  const alone = memberIds.every((id) => id === clientId);
  const conversation = String(conversationId);
  switch (action) {
    case 'login':
      return `log in as ${clientId}`;
    case 'conversion':
      return `open a conversation of ${members || clientId}`;
    case 'invite':
      return alone ? `join ${conversation}` : `invite ${members} to ${conversation}`;
    case 'kick':
      return alone ? `leave ${conversation}` : `remove ${members} from ${conversation}`;
    case 'query':
      return `read the history of ${conversation}`;
    case 'client-block-conversations':
      return `block ${conversation}`;
    case 'client-unblock-conversations':
      return `unblock ${conversation}`;
    case 'conversation-block-clients':
      return `block ${members} in ${conversation}`;
    case 'conversation-unblock-clients':
      return `unblock ${members} in ${conversation}`;
  }
}

export function unknownAction(action: string): SignatureError {
  return new SignatureError(`sign "${action}"`, 'unknown_action', 'This package does not know the action.');
}

/**
 * Where the service answers the operation.
 *
 * @throws {SignatureError} if it would not arrive as it is meant.
 */
export function urlOf(operation: Operation, baseUrl: string, appId: string): string {
  const { action, clientId, conversationId, memberIds = [] } = operation;
  if (!Object.prototype.hasOwnProperty.call(PATHS, action)) throw unknownAction(action);
  const what = describe(operation);
  const encode = (kind: string, id: unknown) => encodeId(what, kind, id);

  const { conversation, members } = PATHS[action];
  const parts = [action, encode('app', appId), encode('client', clientId)];
  if (conversation) parts.push(encode('conversion', conversationId));
  // JavaScript's default order is the protocol's: by UTF-16 code unit.
  const ids = members ? memberIds.slice().sort() : [];
  if (ids.length > 0) parts.push(ids.map((id) => encode('member', id)).join(':'));

  const url = `${baseUrl.replace(/\/+$/, '')}/signature/${parts.join('/')}?format=sdk`;
  const { length } = url.replace(/^\w+:\/\/[^/]+/, '');
  if (length > MAX_TARGET) {
    throw new SignatureError(
      what,
      'uri_too_long',
      `${ids.length} member ids make a URL of ${length} bytes; it may have ${MAX_TARGET}.`,
    );
  }
  return url;
}

/** An id for a URL. `what` is asked, for the error. @throws {SignatureError} if it would arrive as something else. */
export function encodeId(what: string, kind: string, id: unknown): string {
  const fault = idFault(id);
  if (fault) throw new SignatureError(what, `invalid_${kind}_id`, `The ${kind} id "${String(id)}" ${fault}.`);
  return encodeURIComponent(id as string);
}

/** Why an id would arrive as something else. What else is wrong with it, the service says. */
function idFault(id: unknown): string | undefined {
  if (typeof id !== 'string') return 'is not a string';
  if (id === '') return 'is empty';
  if (id === '.' || id === '..') return 'cannot stand in a URL: it means a folder, even when encoded';
  if (id.includes(':')) return 'contains ":", which separates ids';
  try {
    encodeURIComponent(id);
    return undefined;
  } catch {
    return 'contains half of a surrogate pair';
  }
}

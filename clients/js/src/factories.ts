import { type Action, unknownAction } from './operation.js';
import { SignatureError } from './signature-error.js';
import { type Signature, type SignerOptions, signWith } from './signer.js';

/** What `realtime.createIMClient(id, …)` takes. */
export interface SignatureFactories {
  signatureFactory: (clientId: string) => Promise<Signature>;
  /** The declarations of 4.3.1 name the first two the wrong way round. */
  conversationSignatureFactory: (
    conversationId: string | null,
    clientId: string,
    memberIds: string[],
    action: string,
  ) => Promise<Signature>;
  /** 4.x gives the client's id first, 5.x the conversation's. */
  blacklistSignatureFactory: (first: string, second: string, memberIds: string[], action: string) => Promise<Signature>;
}

/** The service's names for what 4.x and 5.x call an action. */
const CONVERSATION_ACTIONS = new Map<string, Action>([
  ['create', 'conversion'],
  ['add', 'invite'],
  ['invite', 'invite'],
  ['remove', 'kick'],
  ['kick', 'kick'],
]);
const BLACKLIST_ACTIONS = new Map<string, Action>([
  ['conversation-block-clients', 'conversation-block-clients'],
  ['conversation-unblock-clients', 'conversation-unblock-clients'],
]);

/** Signature factories for `leancloud-realtime` 4.x and 5.x that ask the service. One object may serve several clients. */
export function createSignatureFactories(options: SignerOptions): SignatureFactories {
  const sign = signWith(options);
  /** Ids that have come in a place where both generations put the client's. */
  const clients = new Set<string>();

  return {
    signatureFactory: (clientId) =>
      sign(() => {
        clients.add(clientId);
        return { action: 'login', clientId };
      }),
    conversationSignatureFactory: (conversationId, clientId, memberIds, name) =>
      sign(() => {
        clients.add(clientId);
        return { action: actionOf(CONVERSATION_ACTIONS, name), clientId, conversationId, memberIds };
      }),
    blacklistSignatureFactory: (first, second, memberIds, name) =>
      sign(() => {
        const action = actionOf(BLACKLIST_ACTIONS, name);
        const firstIsClient = clients.has(first);
        if (firstIsClient === clients.has(second) && first !== second) {
          const cause = firstIsClient ? 'Both are ids of clients.' : 'Neither has come to signatureFactory before.';
          throw new SignatureError(`${name} with ${first} and ${second}`, 'ambiguous_order', cause);
        }
        const [clientId, conversationId] = firstIsClient ? [first, second] : [second, first];
        return { action, clientId, conversationId, memberIds };
      }),
  };
}

function actionOf(actions: Map<string, Action>, name: string): Action {
  const action = actions.get(name);
  if (!action) throw unknownAction(name);
  return action;
}

import { encodeId, unknownAction } from './operation.js';
import { SignatureError } from './signature-error.js';
import { asker, type SignerOptions } from './signer.js';

export interface Client {
  /**
   * Whether the service would sign this now, for an interface that hides what would be refused. The signature stays the truth.
   * `invite` without a member is about somebody who is no member yet; `kick` needs one. Rejects with a {@link SignatureError}.
   */
  can(question: 'join' | 'invite' | 'leave' | 'kick', conversationId: string, memberId?: string): Promise<boolean>;
}

/** Asks for one client. */
export function createClient(options: SignerOptions & { readonly clientId: string }): Client {
  const { clientId } = options;
  // Of the member, where one was named; or else of anybody.
  const ask = asker(options, (fields) =>
    Array.isArray(fields.members) ? Object.assign(fields, fields.members[0] as object | undefined) : undefined,
  );
  return {
    can: async (question, conversationId, memberId) => {
      const what = `ask whether ${clientId} can ${question}`;
      const named = question === 'invite' || question === 'kick' ? memberId : undefined;
      if (question === 'kick' && named === undefined) {
        throw new SignatureError(what, 'members_required', 'No member is named.');
      }
      const ids = [
        encodeId(what, 'app', options.appId),
        encodeId(what, 'client', clientId),
        encodeId(what, 'conversion', conversationId),
      ];
      const query = named === undefined ? '' : `?members=${encodeId(what, 'member', named)}`;
      const url = `${options.baseUrl.replace(/\/+$/, '')}/permissions/${ids.join('/')}${query}`;
      const said = (await ask(what, url))[question];
      // Misspelt, in JavaScript: `false` would hide a button for ever.
      if (typeof said !== 'string') throw unknownAction(question);
      return said === 'allowed';
    },
  };
}

import { Injectable } from '@nestjs/common';
import { AppRegistry } from '../apps/app-registry.js';
import type { App } from '../apps/app.entity.js';
import { ConversationRules } from '../conversations/conversation-rules.js';
import type { Moment } from '../database/moment.js';
import { ACTIONS, type ActionName, type MessageParts } from './actions.js';
import { isFresh, staleLookUps } from './freshness.js';
import { freshNonce } from './nonce.js';
import { sign } from './sign.js';
import type { Asked } from './signature-request.js';
import { nowMicroseconds, timestampText } from './timestamp.js';

/** The answer's fields by their names on the wire; `timestamp` is a number only in the SDK's format. */
export interface SignatureAnswer {
  app_id: string;
  client_id: string;
  conversion_id?: string;
  sorted_member_ids?: string;
  action?: ActionName;
  timestamp: string | number;
  nonce: string;
  signature: string;
}

/** A request whom the guards let through. */
export interface Judged {
  readonly app: App;
  readonly asked: Asked;
  /** What was looked up for it takes in everything that was committed before this moment. */
  readonly knownUntil: Moment;
}

@Injectable()
export class SignatureService {
  constructor(
    private readonly registry: AppRegistry,
    private readonly rules: ConversationRules,
  ) {}

  /**
   * Signs what was asked, for a caller whom the guards let through, if the conversation's rules permit it.
   *
   * @throws {Problem} `not_permitted`, `conversation_unknown`, `conversation_full`, `unavailable`
   */
  async sign({ app, asked, knownUntil }: Judged): Promise<SignatureAnswer> {
    await this.rules.requirePermitted(asked, app.membership);
    if (!isFresh(knownUntil)) throw staleLookUps();
    const action = ACTIONS[asked.action];
    const now = nowMicroseconds();
    const parts: MessageParts = {
      app_id: asked.appId,
      client_id: asked.clientId,
      conversion_id: asked.conversationId,
      sorted_member_ids: asked.members.join(':'),
      timestamp: timestampText(asked.forSdk ? 'milliseconds' : app.timestampFormat, now),
      nonce: freshNonce(),
    };
    return {
      app_id: parts.app_id,
      client_id: parts.client_id,
      ...(action.conversation && { conversion_id: parts.conversion_id }),
      ...(action.members !== 'none' && { sorted_member_ids: parts.sorted_member_ids }),
      ...(action.named && { action: asked.action }),
      timestamp: asked.forSdk ? Number(parts.timestamp) : parts.timestamp,
      nonce: parts.nonce,
      signature: sign(action.message(parts), this.registry.masterKey(app, now / 1000)),
    };
  }
}

import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppRegistry } from '../apps/app-registry.js';
import type { SigningApp } from '../apps/signing-app.js';
import { type Refusal, requireAllowed } from '../conversations/decision.js';
import { FactsReader } from '../conversations/facts-reader.js';
import { requireNotRevoked } from '../identity/cutoffs.js';
import type { VerifiedToken } from '../identity/verify-token.js';
import { before } from '../problems/deadline.js';
import { ProblemError } from '../problems/problem-error.js';
import { ACTIONS, type Action, type ActionName, type MessageParts, sign } from './actions.js';
import { freshNonce } from './nonce.js';
import type { SignatureRequest } from './signature-request.js';
import { nowMicroseconds, timestampText } from './timestamp.js';

/** An answer, by the names on the wire; `timestamp` is a number only with `format=sdk`. */
export interface SignatureAnswer {
  app_id: string;
  client_id: string;
  conversion_id?: string | undefined;
  sorted_member_ids?: string | undefined;
  action?: ActionName | undefined;
  timestamp: string | number;
  nonce: string;
  signature: string;
}

/** What a request gets. */
export interface Signed {
  /** A `SignatureAnswer` as JSON. */
  readonly body: string;
  /** Which version of the master key signed. */
  readonly keyVersion: number;
  /** What would have been refused, were the app's rules enforced. */
  readonly shadowRefusal: Refusal | undefined;
}

@Injectable()
export class SignatureService {
  constructor(
    private readonly registry: AppRegistry,
    private readonly facts: FactsReader,
  ) {}

  /**
   * Signs a request if the app's limit, bans and the rules of the conversation allow it.
   * @param app as `AppRegistry.find` gave it for this request.
   * @param token that of the caller; undefined where the app asks for none.
   * @param deadline for reading bans and rules, by `performance.now()`.
   * @throws {ProblemError} `too_many_members`, `identity_revoked`, `client_banned`, `member_banned`, `not_permitted`, `conversation_unknown`,
   *   `conversation_full`, `unavailable`
   */
  async sign(
    app: SigningApp,
    request: SignatureRequest,
    token: VerifiedToken | undefined,
    deadline: number,
  ): Promise<Signed> {
    requireMaxMembers(request, app);
    const facts = await before(deadline, 'facts to decide by', this.facts.read(request, app.membership));
    this.registry.requireCurrent(app);
    requireNotRevoked(token, facts.tokensBefore);
    const shadowRefusal = requireAllowed(request, app, facts, app.identity !== 'none');
    const now = nowMicroseconds();
    const { version, key } = app.masterKey(now / 1000);
    return { body: JSON.stringify(answerTo(request, app, now, key)), keyVersion: version, shadowRefusal };
  }
}

/** @throws {ProblemError} `too_many_members` */
export function requireMaxMembers({ members: { length } }: Pick<SignatureRequest, 'members'>, app: SigningApp): void {
  if (length > app.maxMembers) throw tooManyMembers(length, app);
}

/** @param length of the list of members. */
export function tooManyMembers(length: number, { maxMembers }: SigningApp): ProblemError {
  return new ProblemError('too_many_members', `There are ${length} member ids; the app allows ${maxMembers}.`);
}

/** @param now microseconds since 1970. */
function answerTo(request: SignatureRequest, app: SigningApp, now: number, masterKey: KeyObject): SignatureAnswer {
  const action: Action = ACTIONS[request.action];
  const parts: MessageParts = {
    app_id: request.appId,
    client_id: request.clientId,
    conversion_id: request.conversationId,
    sorted_member_ids: request.sortedMemberIds,
    timestamp: timestampText(request.forSdk ? 'milliseconds' : app.timestampFormat, now),
    nonce: freshNonce(),
  };
  return {
    app_id: parts.app_id,
    client_id: parts.client_id,
    conversion_id: action.conversation ? parts.conversion_id : undefined,
    sorted_member_ids: action.members === 'none' ? undefined : parts.sorted_member_ids,
    action: action.named ? request.action : undefined,
    timestamp: request.forSdk ? Number(parts.timestamp) : parts.timestamp,
    nonce: parts.nonce,
    signature: sign(action.message(parts), masterKey),
  };
}

import { Injectable } from '@nestjs/common';
import { AppRegistry } from '../apps/app-registry.js';
import { ProblemError } from '../problems/problem-error.js';
import { ACTIONS } from '../signature/actions.js';
import { type Claim, diagnose, type Diagnosis } from './diagnose.js';

/** Of the other apps, so many are tried: those that were changed last. */
const MAX_OTHER_APPS = 20;

@Injectable()
export class CheckerService {
  constructor(private readonly registry: AppRegistry) {}

  /**
   * @param appKey the App Key, where the caller knows it.
   * @throws {ProblemError} `invalid_conversion_id` where the action takes a conversation, and none is given; `app_not_found`, `app_disabled`, `unavailable`
   */
  async diagnose(claim: Claim, appKey?: string): Promise<Diagnosis> {
    // Forgotten by the one who asks: it would be explained as a mistake of the signer.
    if (ACTIONS[claim.action].conversation && claim.conversationId === '') {
      throw new ProblemError('invalid_conversion_id', `No conversation is named; "${claim.action}" takes one.`);
    }
    const now = Date.now();
    const app = await this.registry.find(claim.appId);
    const others = await this.registry.others(claim.appId, MAX_OTHER_APPS);
    const signing = app.masterKey(now);
    return diagnose(
      claim,
      {
        master: signing.key.export(),
        otherVersions: app.masterKeys().flatMap(({ key }) => (key.equals(signing.key) ? [] : [key.export()])),
        appKey: appKey === undefined ? undefined : Buffer.from(appKey),
        otherApps: others.flatMap((other) =>
          other.masterKeys().map(({ key }) => ({ appId: other.appId, master: key.export() })),
        ),
      },
      now,
    );
  }
}

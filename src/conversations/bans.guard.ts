import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Bans } from './bans.js';
import type { Operation } from './decision.js';

/** Lets a request through when no ban is in its way. It stands after the proof of identity: strangers learn nothing about bans. */
@Injectable()
export class BansGuard implements CanActivate {
  constructor(private readonly bans: Bans) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { asked } = context.switchToHttp().getRequest<{ asked: Operation }>();
    await this.bans.refuseBanned(asked);
    return true;
  }
}

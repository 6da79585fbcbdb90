import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ChangeFeed } from '../database/change-feed.js';
import type { Moment } from '../database/moment.js';
import { AppRegistry } from './app-registry.js';
import type { App } from './app.entity.js';

/** A request after the guard: the app it names, as it stood when the request came. */
export interface AppRequest extends FastifyRequest<{
  Params: { app_id?: string | undefined; client_id?: string | undefined };
}> {
  app: App;
  /** What is looked up for it takes in everything that was committed before this moment. */
  knownUntil: Moment;
}

/** Lets a request through when the app it names is registered and not disabled. */
@Injectable()
export class AppGuard implements CanActivate {
  constructor(
    private readonly registry: AppRegistry,
    private readonly feed: ChangeFeed,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<AppRequest>();
    request.knownUntil = this.feed.knownUntil;
    request.app = await this.registry.find(request.params.app_id ?? '');
    return true;
  }
}

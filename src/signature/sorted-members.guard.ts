import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { requireMembers } from './members.js';
import type { SignatureHttpRequest } from './signature-request.js';

/** Lets a request through when its member list is in order, not empty where one is needed, and not longer than the app allows. */
@Injectable()
export class SortedMembersGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { app, asked } = context.switchToHttp().getRequest<SignatureHttpRequest>();
    requireMembers(asked.action, asked.members, app.maxMembers);
    return true;
  }
}

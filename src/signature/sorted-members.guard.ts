import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Problem } from '../operations/problem.js';
import { ACTIONS } from './actions.js';
import { isSorted } from './members.js';
import type { SignatureHttpRequest } from './signature-request.js';

/** Lets a request through when its member list is in order, not empty where one is needed, and not longer than the app allows. */
@Injectable()
export class SortedMembersGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { app, asked } = context.switchToHttp().getRequest<SignatureHttpRequest>();
    const { action, members } = asked;
    if (members.length === 0 && ACTIONS[action].members === 'at least one') {
      throw new Problem(
        'members_required',
        `To sign "${action}" takes at least one member id after the conversation id.`,
      );
    }
    if (members.length > app.maxMembers) {
      throw new Problem(
        'too_many_members',
        `There are ${members.length} member ids; the app allows ${app.maxMembers}.`,
      );
    }
    if (!isSorted(members)) {
      // The IM server signs the order it was sent, and the SDK sends what it sorted: sorting here would only hide the mistake.
      const order = members.toSorted().join(':');
      throw new Problem('members_not_sorted', `The member ids must ascend by UTF-16 code unit: ${order}`);
    }
    return true;
  }
}

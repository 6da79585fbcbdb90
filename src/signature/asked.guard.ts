import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { ActionName } from './actions.js';
import { readAsked, type SignatureHttpRequest } from './signature-request.js';

/** The action a controller's method signs. */
export const SignsAction = Reflector.createDecorator<ActionName>();

/** Lets a request through when every id in it is one, and keeps what it asks for. */
@Injectable()
export class AskedGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<SignatureHttpRequest>();
    const action = this.reflector.get(SignsAction, context.getHandler());
    request.asked = readAsked(action, request.params, request.query);
    return true;
  }
}

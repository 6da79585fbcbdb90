import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Header,
  Injectable,
  Req,
  UseGuards,
} from '@nestjs/common';
import { AppRegistry } from '../apps/app-registry.js';
import { FactsReader } from '../conversations/facts-reader.js';
import { type Asked, operationToRead, permissionsOf } from '../conversations/permissions.js';
import { ClientIdentityGuard, type IdentifiedRequest } from '../identity/client-identity.guard.js';
import { ClientRateGuard } from '../identity/client-rate.guard.js';
import { requireNotRevoked } from '../identity/cutoffs.js';
import { before } from '../problems/deadline.js';
import { ProblemError } from '../problems/problem-error.js';
import { PermissionsDocument } from './permissions-document.js';
import { requireMaxMembers } from './signature.service.js';
import { type PathParams, requireIds } from './signature-request.js';

interface PermissionsRequest extends IdentifiedRequest {
  params: PathParams;
  query: unknown;
  /** Set by `PermissionsGuard`. */
  asked: Asked;
}

/** Checks the shape of a request, without any look-up. */
@Injectable()
class PermissionsGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<PermissionsRequest>();
    const { members = '' } = request.query as { members?: string | string[] };
    if (typeof members !== 'string') {
      throw new ProblemError('invalid_member_id', 'The parameter "members" is given more than once.');
    }
    request.asked = requireIds({ ...request.params, sorted_member_ids: members }, true);
    return true;
  }
}

/** What a client may do in a conversation, for interfaces that hide what would be refused. The signature stays the truth. */
@Controller('permissions')
export class PermissionsController {
  constructor(
    private readonly registry: AppRegistry,
    private readonly facts: FactsReader,
  ) {}

  /** @returns `Permissions` as JSON, by the rows that are committed now; nothing that asking for the signatures would not say. */
  @Get([':app_id/:client_id/:conversion_id', ':app_id/:client_id'])
  @UseGuards(PermissionsGuard, ClientIdentityGuard, ClientRateGuard)
  @Header('Content-Type', 'application/json; charset=utf-8')
  @Header('Cache-Control', 'no-store')
  @PermissionsDocument()
  async permissions(@Req() { app, asked, token, deadline }: PermissionsRequest): Promise<string> {
    requireMaxMembers(asked, app);
    const reading = this.facts.read(operationToRead(asked), app.membership);
    const facts = await before(deadline, 'facts to decide by', reading);
    this.registry.requireCurrent(app);
    requireNotRevoked(token, facts.tokensBefore);
    return JSON.stringify(permissionsOf(asked, app, facts));
  }
}

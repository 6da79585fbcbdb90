import { Controller, Req, Res, type Type } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { ActionName } from './actions.js';
import { answer, SignatureRoute } from './signature-route.js';
import { SignatureService } from './signature.service.js';
import type { SignatureHttpRequest } from './sorted-members.guard.js';

@Controller('signature/login')
export class LoginController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('login', 'Log in')
  login(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }
}

@Controller('signature/conversion')
export class ConversionController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('conversion', 'Open a conversation with members')
  conversion(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }

  @SignatureRoute('conversion', 'Open a conversation without members', 'conversionWithoutMembers')
  conversionWithoutMembers(
    @Req() request: SignatureHttpRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return answer(this.signatures, request, reply);
  }
}

@Controller('signature/invite')
export class InviteController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('invite', 'Add members to a conversation')
  invite(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }

  @SignatureRoute('invite', 'Join a conversation', 'join')
  join(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }
}

@Controller('signature/kick')
export class KickController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('kick', 'Remove members from a conversation, or leave it')
  kick(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }
}

@Controller('signature/query')
export class QueryController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('query', 'Read the history of a conversation')
  query(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }
}

@Controller('signature/client-block-conversations')
export class ClientBlockController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('client-block-conversations', 'Block a conversation for the client itself')
  block(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }
}

@Controller('signature/client-unblock-conversations')
export class ClientUnblockController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('client-unblock-conversations', 'Unblock a conversation for the client itself')
  unblock(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }
}

@Controller('signature/conversation-block-clients')
export class ConversationBlockController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('conversation-block-clients', 'Block clients from a conversation')
  block(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }
}

@Controller('signature/conversation-unblock-clients')
export class ConversationUnblockController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('conversation-unblock-clients', 'Unblock clients of a conversation')
  unblock(@Req() request: SignatureHttpRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return answer(this.signatures, request, reply);
  }
}

export const CONTROLLERS = {
  login: LoginController,
  conversion: ConversionController,
  invite: InviteController,
  kick: KickController,
  query: QueryController,
  'client-block-conversations': ClientBlockController,
  'client-unblock-conversations': ClientUnblockController,
  'conversation-block-clients': ConversationBlockController,
  'conversation-unblock-clients': ConversationUnblockController,
} satisfies Record<ActionName, Type>;

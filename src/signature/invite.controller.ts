import { Controller, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { SignatureRoute } from './signature-route.js';
import type { SignatureHttpRequest } from './signature-request.js';
import { type SignatureAnswer, SignatureService } from './signature.service.js';

@ApiTags('signature')
@Controller('signature/invite')
export class InviteController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('invite', 'Sign adding members to a conversation, or, with no members, joining it.')
  invite(@Req() request: SignatureHttpRequest): Promise<SignatureAnswer> {
    return this.signatures.sign(request);
  }
}

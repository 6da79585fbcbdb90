import { Controller, Req } from '@nestjs/common';
import { SignatureRoute } from './signature-route.js';
import { SignatureService } from './signature.service.js';
import type { SignatureHttpRequest } from './sorted-members.guard.js';

@Controller('signature/invite')
export class InviteController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('invite', 'Sign adding members to a conversation, or, with no members, joining it.')
  invite(@Req() { app, signatureRequest, deadline }: SignatureHttpRequest): Promise<string> {
    return this.signatures.sign(app, signatureRequest, deadline);
  }
}

import { Controller, Req } from '@nestjs/common';
import { SignatureRoute } from './signature-route.js';
import { SignatureService } from './signature.service.js';
import type { SignatureHttpRequest } from './sorted-members.guard.js';

@Controller('signature/kick')
export class KickController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('kick', 'Sign removing members from a conversation, or, with only the own id, leaving it.')
  kick(@Req() { app, signatureRequest, deadline }: SignatureHttpRequest): Promise<string> {
    return this.signatures.sign(app, signatureRequest, deadline);
  }
}

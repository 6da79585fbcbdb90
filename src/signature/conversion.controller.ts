import { Controller, Req } from '@nestjs/common';
import { SignatureRoute } from './signature-route.js';
import { SignatureService } from './signature.service.js';
import type { SignatureHttpRequest } from './sorted-members.guard.js';

@Controller('signature/conversion')
export class ConversionController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('conversion', 'Sign the opening of a conversation.')
  conversion(@Req() { app, signatureRequest, deadline }: SignatureHttpRequest): Promise<string> {
    return this.signatures.sign(app, signatureRequest, deadline);
  }
}

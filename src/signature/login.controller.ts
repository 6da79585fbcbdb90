import { Controller, Req } from '@nestjs/common';
import { SignatureRoute } from './signature-route.js';
import { SignatureService } from './signature.service.js';
import type { SignatureHttpRequest } from './sorted-members.guard.js';

@Controller('signature/login')
export class LoginController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('login', 'Sign a login.')
  login(@Req() { app, signatureRequest, deadline }: SignatureHttpRequest): Promise<string> {
    return this.signatures.sign(app, signatureRequest, deadline);
  }
}

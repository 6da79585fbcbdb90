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

@Controller('signature/conversion')
export class ConversionController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('conversion', 'Sign the opening of a conversation.')
  conversion(@Req() { app, signatureRequest, deadline }: SignatureHttpRequest): Promise<string> {
    return this.signatures.sign(app, signatureRequest, deadline);
  }
}

@Controller('signature/invite')
export class InviteController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('invite', 'Sign adding members to a conversation, or, with no members, joining it.')
  invite(@Req() { app, signatureRequest, deadline }: SignatureHttpRequest): Promise<string> {
    return this.signatures.sign(app, signatureRequest, deadline);
  }
}

@Controller('signature/kick')
export class KickController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('kick', 'Sign removing members from a conversation, or, with only the own id, leaving it.')
  kick(@Req() { app, signatureRequest, deadline }: SignatureHttpRequest): Promise<string> {
    return this.signatures.sign(app, signatureRequest, deadline);
  }
}

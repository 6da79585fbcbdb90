import { Controller, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { SignatureRoute } from './signature-route.js';
import type { SignatureHttpRequest } from './signature-request.js';
import { type SignatureAnswer, SignatureService } from './signature.service.js';

@ApiTags('signature')
@Controller('signature/kick')
export class KickController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('kick', 'Sign removing members from a conversation, or, with only the own id, leaving it.')
  kick(@Req() request: SignatureHttpRequest): Promise<SignatureAnswer> {
    return this.signatures.sign(request);
  }
}

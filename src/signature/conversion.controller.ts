import { Controller, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { SignatureRoute } from './signature-route.js';
import type { SignatureHttpRequest } from './signature-request.js';
import { type SignatureAnswer, SignatureService } from './signature.service.js';

@ApiTags('signature')
@Controller('signature/conversion')
export class ConversionController {
  constructor(private readonly signatures: SignatureService) {}

  @SignatureRoute('conversion', 'Sign the opening of a conversation.')
  conversion(@Req() request: SignatureHttpRequest): Promise<SignatureAnswer> {
    return this.signatures.sign(request);
  }
}

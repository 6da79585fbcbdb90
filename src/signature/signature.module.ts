import { Module } from '@nestjs/common';
import { AppsModule } from '../apps/apps.module.js';
import { ConversationsModule } from '../conversations/conversations.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { ConversionController } from './conversion.controller.js';
import { InviteController } from './invite.controller.js';
import { KickController } from './kick.controller.js';
import { LoginController } from './login.controller.js';
import { SignatureService } from './signature.service.js';

@Module({
  imports: [AppsModule, IdentityModule, ConversationsModule],
  controllers: [LoginController, ConversionController, InviteController, KickController],
  providers: [SignatureService],
})
export class SignatureModule {}

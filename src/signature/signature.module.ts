import { Module } from '@nestjs/common';
import { AppsModule } from '../apps/apps.module.js';
import { ConversationsModule } from '../conversations/conversations.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { ConversionController, InviteController, KickController, LoginController } from './signature.controllers.js';
import { SignatureService } from './signature.service.js';

@Module({
  imports: [AppsModule, IdentityModule, ConversationsModule],
  controllers: [LoginController, ConversionController, InviteController, KickController],
  providers: [SignatureService],
})
export class SignatureModule {}

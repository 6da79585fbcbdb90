import { Module } from '@nestjs/common';
import { AppsModule } from '../apps/apps.module.js';
import { ConversationsModule } from '../conversations/conversations.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { CONTROLLERS } from './signature.controllers.js';
import { SignatureService } from './signature.service.js';

@Module({
  imports: [AppsModule, IdentityModule, ConversationsModule],
  controllers: Object.values(CONTROLLERS),
  providers: [SignatureService],
})
export class SignatureModule {}

import { Module } from '@nestjs/common';
import { BansGuard } from './bans.guard.js';
import { Bans } from './bans.js';
import { ConversationRules } from './conversation-rules.js';

@Module({
  providers: [Bans, BansGuard, ConversationRules],
  exports: [Bans, BansGuard, ConversationRules],
})
export class ConversationsModule {}

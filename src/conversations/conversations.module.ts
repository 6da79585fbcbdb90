import { Module } from '@nestjs/common';
import { ChangeFeedModule } from '../database/change-feed.module.js';
import { BansGuard } from './bans.guard.js';
import { Bans } from './bans.js';
import { ConversationRules } from './conversation-rules.js';

@Module({
  imports: [ChangeFeedModule],
  providers: [Bans, BansGuard, ConversationRules],
  exports: [Bans, BansGuard, ConversationRules],
})
export class ConversationsModule {}

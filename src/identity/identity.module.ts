import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppsModule } from '../apps/apps.module.js';
import { ChangeFeedModule } from '../database/change-feed.module.js';
import { AppIdentity } from './app-identity.entity.js';
import { ClientIdentityGuard } from './client-identity.guard.js';
import { TokenVerifier } from './token-verifier.js';

@Module({
  imports: [AppsModule, ChangeFeedModule, TypeOrmModule.forFeature([AppIdentity])],
  providers: [TokenVerifier, ClientIdentityGuard],
  exports: [TokenVerifier, ClientIdentityGuard],
})
export class IdentityModule {}

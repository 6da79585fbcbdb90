import { Module } from '@nestjs/common';
import { AppsModule } from '../apps/apps.module.js';
import { ClientIdentityGuard } from './client-identity.guard.js';
import { TokenVerifier } from './token-verifier.js';

@Module({
  imports: [AppsModule],
  providers: [TokenVerifier, ClientIdentityGuard],
  exports: [TokenVerifier, ClientIdentityGuard],
})
export class IdentityModule {}

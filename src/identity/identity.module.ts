import { Module } from '@nestjs/common';
import { ClientIdentityGuard } from './client-identity.guard.js';

@Module({ providers: [ClientIdentityGuard], exports: [ClientIdentityGuard] })
export class IdentityModule {}

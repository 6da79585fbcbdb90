import { Module } from '@nestjs/common';
import { AppsModule } from '../apps/apps.module.js';
import { TokenVerifier } from './token-verifier.js';

@Module({ imports: [AppsModule], providers: [TokenVerifier], exports: [TokenVerifier] })
export class IdentityModule {}

import { Module } from '@nestjs/common';
import { LookUpsModule } from '../database/look-ups.module.js';
import { FactsReader } from './facts-reader.js';

@Module({ imports: [LookUpsModule], providers: [FactsReader], exports: [FactsReader] })
export class ConversationsModule {}

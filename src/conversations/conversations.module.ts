import { Module } from '@nestjs/common';
import { FactsReader } from './facts-reader.js';

@Module({ providers: [FactsReader], exports: [FactsReader] })
export class ConversationsModule {}

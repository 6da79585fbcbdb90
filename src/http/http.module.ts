import { Global, Module } from '@nestjs/common';
import { ServerState } from './server-state.js';

@Global()
@Module({ providers: [ServerState], exports: [ServerState] })
export class HttpModule {}

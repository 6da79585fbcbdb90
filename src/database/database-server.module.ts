import { Module } from '@nestjs/common';
import { DatabaseServer } from './database-server.js';

/** Deeper than TypeORM's module, which imports it: so the server is let go only after the connections to it are closed. */
@Module({ providers: [DatabaseServer], exports: [DatabaseServer] })
export class DatabaseServerModule {}

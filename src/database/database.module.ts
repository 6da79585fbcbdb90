import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';
import { Settings } from '../config/settings.js';
import { connectService, serviceOptions } from './data-source.js';
import { DatabaseServer } from './database-server.js';
import { LookUps } from './look-ups.js';
import { migrate, requireMigrated } from './migrate.js';

/** Imported by TypeORM's module, so that Nest shuts it down later: connections are closed before an embedded server stops. */
@Module({ providers: [DatabaseServer], exports: [DatabaseServer] })
class DatabaseServerModule {}

@Global()
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      imports: [DatabaseServerModule],
      inject: [DatabaseServer, Settings],
      useFactory: async (server: DatabaseServer, { databasePoolSize, migrationsDir }: Settings) => {
        const url = await server.url();
        // The operator chooses when to migrate any other than the embedded database.
        if (server.embedded) await migrate(url, migrationsDir);
        else await requireMigrated(url, migrationsDir);
        return {
          ...serviceOptions(url, databasePoolSize),
          autoLoadEntities: true,
          // An unreachable database fails the start at once, with one line for the operator.
          retryAttempts: 0,
          verboseRetryLog: false,
        };
      },
      dataSourceFactory: async (options) => connectService(options as PostgresDataSourceOptions),
    }),
    DatabaseServerModule,
  ],
  providers: [LookUps],
  exports: [LookUps, DatabaseServerModule],
})
export class DatabaseModule {}

import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';
import { Settings } from '../config/settings.js';
import { connectService, serviceOptions } from './data-source.js';
import { DatabaseServer } from './database-server.js';
import { DatabaseServerModule } from './database-server.module.js';
import { migrate, PendingMigrationsError, pendingMigrations } from './migrate.js';

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      imports: [DatabaseServerModule],
      inject: [DatabaseServer, Settings],
      useFactory: async (server: DatabaseServer, settings: Settings) => {
        const url = await server.url();
        await prepareSchema(url, server.embedded, settings.migrationsDir);
        return {
          ...serviceOptions(url, settings.databasePoolSize),
          autoLoadEntities: true,
          // A database that is away at the start is the operator's to mend, who is told at once.
          retryAttempts: 0,
          verboseRetryLog: false,
        };
      },
      dataSourceFactory: async (options) => connectService(options as PostgresDataSourceOptions),
    }),
    DatabaseServerModule,
  ],
  exports: [DatabaseServerModule],
})
export class DatabaseModule {}

/** An embedded database is migrated at the start; any other by `npm run migrate`, at a moment its operator chooses. */
async function prepareSchema(url: string, embedded: boolean, folder: string): Promise<void> {
  if (embedded) {
    await migrate(url, folder);
    return;
  }
  const pending = await pendingMigrations(url, folder);
  if (pending.length > 0) throw new PendingMigrationsError(pending);
}

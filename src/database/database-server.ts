import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { type EmbeddedPostgres, holdEmbeddedPostgres } from './embedded/embedded-postgres.js';

/** Where PostgreSQL is: the one that is configured, or an embedded one, held until the application has shut down. */
@Injectable()
export class DatabaseServer implements OnApplicationShutdown {
  private held: Promise<EmbeddedPostgres> | undefined;

  constructor(private readonly settings: Settings) {}

  get embedded(): boolean {
    return this.settings.databaseUrl === undefined;
  }

  async url(): Promise<string> {
    if (this.settings.databaseUrl !== undefined) return this.settings.databaseUrl;
    this.held ??= holdEmbeddedPostgres(this.settings.dataDir);
    return (await this.held).url;
  }

  /** Resolves when an embedded database has ended before it was let go; never for a configured one, which may come back. */
  async lost(): Promise<void> {
    const held = await this.held;
    return held?.lost ?? new Promise(() => undefined);
  }

  async onApplicationShutdown(): Promise<void> {
    await (await this.held)?.release();
  }
}

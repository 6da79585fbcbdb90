import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import type { EmbeddedPostgres } from './embedded/embedded-postgres.js';

/** Where PostgreSQL is: the one that is configured, or an embedded one, held until the application has shut down. */
@Injectable()
export class DatabaseServer implements OnApplicationShutdown {
  /** Of this process, since a start that fails leaves no instance to ask. */
  private static held: Promise<EmbeddedPostgres> | undefined;

  constructor(private readonly settings: Settings) {}

  get embedded(): boolean {
    return this.settings.databaseUrl === undefined;
  }

  async url(): Promise<string> {
    if (this.settings.databaseUrl !== undefined) return this.settings.databaseUrl;
    DatabaseServer.held ??= hold(this.settings.dataDir);
    return (await DatabaseServer.held).url;
  }

  /** Resolves when an embedded database has ended before it was let go; never for a configured one, which may come back. */
  async lost(): Promise<void> {
    const held = await DatabaseServer.held;
    return held?.lost ?? new Promise(() => undefined);
  }

  async onApplicationShutdown(): Promise<void> {
    await DatabaseServer.release();
  }

  /** Lets go of an embedded database; the last process that does so stops it. */
  static async release(): Promise<void> {
    await (await DatabaseServer.held)?.release();
  }
}

/** Loads what starts PostgreSQL only where it is needed. */
async function hold(dataDir: string): Promise<EmbeddedPostgres> {
  const { holdEmbeddedPostgres } = await import('./embedded/embedded-postgres.js');
  return holdEmbeddedPostgres(dataDir);
}

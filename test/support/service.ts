import { randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { inject, vi } from 'vitest';
import { DataSource } from 'typeorm';
import { AppModule } from '../../src/app.module.js';
import { SEALING_KEYS } from '../../src/apps/app-registry.js';
import { makeDemoApps } from '../../src/demo.js';
import { masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import type { SealingKeys } from '../../src/config/secrets-key.js';
import { Clock } from '../../src/config/clock.js';
import { Settings } from '../../src/config/settings.js';
import { APPLICATION_OPTIONS, httpAdapter, setUpHttp } from '../../src/http/http.js';
import { serverOf, type SignatureServer } from '../../src/http/server.js';
import { LogSink } from '../../src/operations/log-sink.js';
import { ServiceLogger } from '../../src/operations/service-logger.js';
import { TestClock } from './clock.js';
import { makeDatabase, type TestDatabase } from './database.js';
import { recordEnvironment, recordOutput, recordSecret } from './recorded.js';

export interface TestService {
  readonly url: string;
  /** What is written through it is in force when it returns. */
  readonly database: TestDatabase;
  readonly clock: TestClock;
  /** What the service seals with. */
  readonly sealingKeys: SealingKeys;
  /** The lines that were logged. */
  readonly logged: string[];
  readonly server: SignatureServer;
  /** Writes an app as a registration would; `columns` are those of `apps`. */
  registerApp(appId: string, masterKey: string, columns?: Record<string, string | number | boolean>): Promise<void>;
  close(): Promise<void>;
}

/** The tables whose rows the service caches, and for how many milliseconds (docs/design.md, "Freshness"). */
const CACHED_TABLES = /\b(apps|app_master_keys|app_identity)\b/;
const CACHED_FOR = 500;

/** A log in memory. */
function keepLines(lines: string[]): LogSink {
  const write = (line: string): void => {
    lines.push(line);
    recordOutput(line);
  };
  return Object.assign(new LogSink(-1), { write });
}

/** The whole service on a database of its own with the demo apps, answering real HTTP on a port of its own. */
export async function startService(env: Record<string, string> = {}): Promise<TestService> {
  const database = await makeDatabase('migrated');
  const environment = {
    DATABASE_URL: database.url,
    SECRETS_KEY: randomBytes(32).toString('base64'),
    CORS_ORIGINS: 'https://chat.example.com',
    PORT: '0',
    // Tests ask often as one client.
    RATE_LIMIT_PER_MINUTE: '0',
    MIGRATIONS_DIR: inject('registrations'),
    LOG_LEVEL: 'debug',
    ...env,
  };
  recordEnvironment(environment);
  const logged: string[] = [];
  const clock = new TestClock();
  const testing = Test.createTestingModule({ imports: [AppModule] })
    .overrideProvider(Clock)
    .useValue(clock)
    .overrideProvider(LogSink)
    .useValue(keepLines(logged));
  // Settings are read as the module is compiled; no later service of this process shares them.
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const module = await testing.compile().finally(() => vi.unstubAllEnvs());
  const app = module.createNestApplication<NestFastifyApplication>(httpAdapter(module.get(Settings)), {
    ...APPLICATION_OPTIONS,
    bufferLogs: true,
  });
  app.useLogger(app.get(ServiceLogger));
  await setUpHttp(app);
  await app.listen(0, '127.0.0.1');

  const query: TestDatabase['query'] = async (sql, values) => {
    try {
      return await database.query(sql, values);
    } finally {
      if (CACHED_TABLES.test(sql)) clock.advance(CACHED_FOR);
    }
  };

  const keys = app.get<SealingKeys>(SEALING_KEYS);
  await makeDemoApps(app.get(DataSource), keys);

  return {
    url: await app.getUrl(),
    sealingKeys: keys,
    database: { ...database, query },
    clock,
    logged,
    server: serverOf(app),
    async registerApp(appId, masterKey, columns = {}) {
      recordSecret(masterKey);
      const all = { app_id: appId, name: appId, identity: 'none', ...columns };
      const places = Object.keys(all).map((_, index) => `$${index + 1}`);
      await query(`INSERT INTO apps (${Object.keys(all).join()}) VALUES (${places.join()})`, Object.values(all));
      await query('INSERT INTO app_master_keys (app_id, version, sealed_key) VALUES ($1, 1, $2)', [
        appId,
        seal(masterKey, masterKeyPurpose(appId, 1), keys),
      ]);
    },
    async close() {
      await app.close();
      await database.drop();
    },
  };
}

import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { inject } from 'vitest';
import { DataSource } from 'typeorm';
import { AppModule } from '../../src/app.module.js';
import { SEALING_KEYS } from '../../src/apps/app-registry.js';
import { makeDemoApps } from '../../src/demo.js';
import { masterKeyPurpose, seal } from '../../src/apps/sealing.js';
import type { SealingKeys } from '../../src/config/secrets-key.js';
import { Clock } from '../../src/config/clock.js';
import { APPLICATION_OPTIONS, httpAdapter, setUpHttp } from '../../src/http/http.js';
import { TestClock } from './clock.js';
import { makeDatabase, type TestDatabase } from './database.js';

export interface TestService {
  readonly url: string;
  /** What is written through it is in force when it returns. */
  readonly database: TestDatabase;
  readonly clock: TestClock;
  /** What the service seals with. */
  readonly sealingKeys: SealingKeys;
  /** What was logged, one entry a call. */
  readonly logged: string[];
  /** How many connections its HTTP server has. */
  connections(): Promise<number>;
  /** Writes an app as a registration would; `columns` are those of `apps`. */
  registerApp(appId: string, masterKey: string, columns?: Record<string, string | number | boolean>): Promise<void>;
  close(): Promise<void>;
}

/** The tables whose rows the service caches, and for how many milliseconds (DESIGN, "Freshness"). */
const CACHED_TABLES = /\b(apps|app_master_keys|app_identity)\b/;
const CACHED_FOR = 500;

/** The whole service on a database of its own with the demo apps, answering real HTTP on a port of its own. */
export async function startService(env: Record<string, string> = {}): Promise<TestService> {
  const database = await makeDatabase('migrated');
  Object.assign(process.env, {
    DATABASE_URL: database.url,
    SECRETS_KEY: randomBytes(32).toString('base64'),
    CORS_ORIGINS: 'https://chat.example.com',
    PORT: '0',
    // Tests ask often as one client.
    RATE_LIMIT_PER_MINUTE: '0',
    MIGRATIONS_DIR: inject('registrations'),
    ...env,
  });
  const logged: string[] = [];
  const log = (...message: unknown[]): void => void logged.push(message.map(String).join(' '));
  const clock = new TestClock();
  const module = await Test.createTestingModule({ imports: [AppModule] })
    .overrideProvider(Clock)
    .useValue(clock)
    .compile();
  const app = module.createNestApplication<NestFastifyApplication>(httpAdapter(), {
    ...APPLICATION_OPTIONS,
    logger: { log, warn: log, error: log },
  });
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

  const server = app.getHttpServer();

  return {
    url: await app.getUrl(),
    sealingKeys: keys,
    database: { ...database, query },
    clock,
    logged,
    connections: () => promisify(server.getConnections.bind(server))(),
    async registerApp(appId, masterKey, columns = {}) {
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

import { constants } from 'node:os';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import { AppRegistry, SEALING_KEYS } from './apps/app-registry.js';
import { BUILD } from './config/build.js';
import { END_SIGNALS } from './config/end-signals.js';
import type { SealingKeys } from './config/secrets-key.js';
import type { Settings } from './config/settings.js';
import { clockDifference } from './database/data-source.js';
import { DatabaseServer } from './database/database-server.js';
import { unknownMigrations } from './database/migrate.js';
import { demoInstructions, makeDemoApps } from './demo.js';
import { drain } from './http/drain.js';
import { APPLICATION_OPTIONS, httpAdapter, setUpHttp } from './http/http.js';
import { serverOf } from './http/server.js';
import { ServiceLogger } from './operations/service-logger.js';
import { before } from './problems/deadline.js';

/** Milliseconds between the clocks of two machines above which the log warns. */
const MAX_CLOCK_DIFFERENCE = 5_000;
/** The most apps, or migrations, that the log names for one reason. */
const MAX_NAMED = 10;

/** The most connections that wait to be accepted. The system drops the packets of further ones, and clients send them again after a second or more. */
const BACKLOG = 4_096;

/** The service has to end within this time after its last answer: one that hangs is killed by whoever told it to end. */
const CLOSE_TIMEOUT_MS = 5_000;
/** A Ctrl-C reaches the service under `npm start` twice, by the terminal and by npm; within this time it is one. */
const SAME_SIGNAL_MS = 500;
const WHAT_RUNS = `im-signature ${BUILD.version}, ${BUILD.commit === undefined ? '' : `commit ${BUILD.commit}, `}Node ${BUILD.node}`;

/**
 * Starts the service and serves until a signal ends it.
 * @param ready is called when the service listens and takes care of signals itself.
 * @throws SettingsError, or what PostgreSQL or the operating system refuses; nothing is served then.
 */
export async function startService(settings: Settings, ready: () => void): Promise<void> {
  // Logs are buffered until the logger is set, and dropped when the start fails, which prints one line.
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, httpAdapter(settings), {
    ...APPLICATION_OPTIONS,
    abortOnError: false,
    bufferLogs: true,
    autoFlushLogs: false,
  });
  const logger = app.get(ServiceLogger);
  app.useLogger(logger);
  await setUpHttp(app);

  const server = app.get(DatabaseServer);
  const dataSource = app.get(DataSource);
  const keys = app.get<SealingKeys>(SEALING_KEYS);
  const withDemo = server.embedded && !settings.production;
  if (withDemo) await makeDemoApps(dataSource, keys);
  const { decrypted, faults, openToEveryone } = await app.get(AppRegistry).probe(Date.now());
  if (decrypted === 0 && faults[0] !== undefined) {
    const variable = settings.sealingKeysVariable;
    throw new Error(`${variable}: decrypts no app's master key; use the one that sealed them. First: ${faults[0]}`);
  }
  const demo = withDemo ? await demoInstructions(dataSource, keys) : undefined;
  const difference = await clockDifference(dataSource);

  const unknown = await unknownMigrations(await server.url(), settings.migrationsDir);

  await app.listen({ port: settings.port, host: settings.host, backlog: BACKLOG });
  endOnSignals(app, settings, logger);
  ready();
  const url = await app.getUrl();
  app.flushLogs();
  void server.lost().then(() => {
    logger.fatal('The embedded PostgreSQL has ended. Start the service again.', 'main');
    process.exit(1);
  });
  for (const fault of faults.slice(0, MAX_NAMED)) logger.error(fault, 'AppRegistry');
  if (faults.length > MAX_NAMED) {
    logger.error(`${faults.length} apps cannot be signed for; the first are named above`, 'AppRegistry');
  }
  if (openToEveryone.length > 0) {
    logger.warn(`Apps with identity none, so that anyone can log in as anyone ${named(openToEveryone)}`, 'AppRegistry');
  }
  if (unknown.length > 0) {
    const where = `removed from ${settings.migrationsDir}, or of another version`;
    logger.warn(`Migrations are applied that this build lacks: ${where} ${named(unknown)}`, 'main');
  }
  if (Math.abs(difference) > MAX_CLOCK_DIFFERENCE) {
    const seconds = `${Math.round(Math.abs(difference) / 1000)} s ${difference > 0 ? 'ahead of' : 'behind'}`;
    const rules = "Timestamps, key rotations and tokens go by this machine's, the ends of bans by PostgreSQL's.";
    logger.warn(`PostgreSQL's clock is ${seconds} this machine's. ${rules}`, 'main');
  }
  if (server.embedded && settings.production) logger.warn(`No DATABASE_URL: data is in ${settings.dataDir}`, 'main');
  if (server.embedded) {
    const dataDir = settings.dataDir === '.data' ? '' : `DATA_DIR=${settings.dataDir} `;
    logger.log(`Open the database: URL=$(${dataDir}npx im-signature database url) && psql "$URL"`, 'main');
  }
  logger.log(`Ready on ${url} (${WHAT_RUNS})`, 'main');
  if (demo !== undefined) process.stdout.write(demo(url));
}

/** How many names there are, and the first of them. */
function named(names: readonly string[]): string {
  return `(${names.length}): ${names.slice(0, MAX_NAMED).join(', ')}${names.length > MAX_NAMED ? ', …' : ''}`;
}

/** The first signal drains the service; a second one ends it at once. */
function endOnSignals(app: NestFastifyApplication, settings: Settings, logger: ServiceLogger): void {
  let first: { signal: string; at: number } | undefined;
  for (const signal of END_SIGNALS) {
    process.on(signal, () => {
      if (first === undefined) {
        first = { signal, at: performance.now() };
        void end(app, settings, logger, signal);
      } else if (signal !== first.signal || performance.now() - first.at > SAME_SIGNAL_MS) {
        process.exit(128 + constants.signals[signal]);
      }
    });
  }
}

async function end(app: NestFastifyApplication, settings: Settings, logger: ServiceLogger, signal: string) {
  const { shutdownDelay, shutdownTimeout } = settings;
  const delay = shutdownDelay > 0 ? `accepts requests for ${shutdownDelay} ms more, ` : '';
  logger.log(`${signal}: ${delay}ends when all requests are answered, at most ${shutdownTimeout} ms later`, 'main');
  const cut = await drain(serverOf(app), settings);
  if (cut > 0) logger.warn(`${cut} connections were still open after ${shutdownTimeout} ms, and were cut`, 'main');
  let code = 0;
  try {
    await before(performance.now() + CLOSE_TIMEOUT_MS, 'end of the connections to PostgreSQL', app.close());
  } catch (error) {
    code = 1;
    logger.error(`The end was not clean: ${String((error as Error).cause ?? error)}`, 'main');
  }
  logger.log(`Ended (${WHAT_RUNS})`, 'main');
  process.exit(code);
}

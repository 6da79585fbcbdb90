import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import { AppRegistry, SEALING_KEYS } from './apps/app-registry.js';
import { DEMO_APP_IDS, DEMO_MASTER_KEY, demoAppsAmong, makeDemoApps } from './apps/demo-apps.js';
import type { SealingKeys } from './config/secrets-key.js';
import { Settings } from './config/settings.js';
import { clockDifference } from './database/data-source.js';
import { DatabaseServer } from './database/database-server.js';
import { DEMO_CLIENT_ID, DEMO_JWT_APP_ID, demoToken, makeDemoJwtApp } from './identity/demo-identity.js';
import { APPLICATION_OPTIONS, httpAdapter, setUpHttp } from './http/http.js';
import { ServiceLogger } from './operations/service-logger.js';
import { startErrorLines } from './operations/start-error.js';

/** Milliseconds by which the clocks of two machines may differ without a word. */
const MAX_CLOCK_DIFFERENCE = 5_000;

try {
  await start();
} catch (error) {
  for (const line of startErrorLines(error)) process.stderr.write(`im-signature did not start. ${line}\n`);
  await DatabaseServer.release().catch(() => undefined);
  process.exit(1);
}

async function start(): Promise<void> {
  // What is logged until the logger is known is kept, and thrown away when the start fails: that is one line of its own.
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, httpAdapter(), {
    ...APPLICATION_OPTIONS,
    abortOnError: false,
    bufferLogs: true,
    autoFlushLogs: false,
  });
  const settings = app.get(Settings);
  const logger = new ServiceLogger(settings.logLevel, settings.production);
  app.useLogger(logger);
  await setUpHttp(app);
  app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });

  const server = app.get(DatabaseServer);
  const demo = server.embedded && !settings.production ? await makeDemo(app) : undefined;
  const { opened, faults, openToEveryone } = await app.get(AppRegistry).probe(Date.now());
  if (opened === 0 && faults.count > 0) {
    throw new Error(
      `SECRETS_KEY: no app's master key opens, is it the one they were sealed with? ${faults.first[0] ?? ''}`,
    );
  }
  const difference = await clockDifference(app.get(DataSource));
  const token = await demo?.token();

  await app.listen(settings.port, settings.host);
  const url = await app.getUrl();
  // From here on it runs, and nothing that happens is a start that failed.
  app.flushLogs();
  void server.lost().then(() => {
    logger.fatal('The embedded PostgreSQL has ended. Start the service again.', 'main');
    process.exit(1);
  });
  for (const fault of faults.first) logger.error(fault, 'AppRegistry');
  if (faults.count > faults.first.length) {
    logger.error(`${faults.count} apps cannot be signed for; the first are named above`, 'AppRegistry');
  }
  if (openToEveryone.count > 0) {
    const more = openToEveryone.count > openToEveryone.first.length ? ', …' : '';
    logger.warn(
      `Apps that ask for no proof of identity, so that anyone can log in as anyone (${openToEveryone.count}): ${openToEveryone.first.join(', ')}${more}`,
      'AppRegistry',
    );
  }
  if (Math.abs(difference) > MAX_CLOCK_DIFFERENCE) {
    logger.warn(
      `PostgreSQL's clock is ${Math.round(Math.abs(difference) / 1000)} s ${difference > 0 ? 'ahead of' : 'behind'} this machine's. ` +
        "Timestamps, key rotations and tokens go by this machine's, the ends of bans by PostgreSQL's.",
      'main',
    );
  }
  logger.log(`Ready on ${url}`, 'main');
  if (demo !== undefined) process.stdout.write(demoLines(url, demo.appIds, token));
}

interface Demo {
  readonly appIds: readonly string[];
  readonly token: () => Promise<string | undefined>;
}

async function makeDemo(app: NestFastifyApplication): Promise<Demo> {
  const dataSource = app.get(DataSource);
  const keys = app.get<SealingKeys>(SEALING_KEYS);
  await makeDemoApps(dataSource, keys);
  await makeDemoJwtApp(dataSource, keys);
  const appIds = await demoAppsAmong(dataSource, DEMO_APP_IDS);
  return { appIds, token: async () => demoToken(dataSource, keys) };
}

function demoLines(url: string, [appId, ...others]: readonly string[], token: string | undefined): string {
  const open = `
Demo apps ask for no proof of identity: ${[appId, ...others].join(', ')} (master key "${DEMO_MASTER_KEY}"). Try:

  curl ${url}/signature/login/${appId ?? ''}/${DEMO_CLIENT_ID}
`;
  const asking = `
Demo app ${DEMO_JWT_APP_ID} asks who is calling. With a token of client ${DEMO_CLIENT_ID}, good for 24 hours:

  curl -H 'Authorization: Bearer ${token ?? ''}' ${url}/signature/login/${DEMO_JWT_APP_ID}/${DEMO_CLIENT_ID}
`;
  return `${appId === undefined ? '' : open}${token === undefined ? '' : asking}
The API, to read and to try: ${url}/docs
Ctrl-C stops the service and its database.

`;
}

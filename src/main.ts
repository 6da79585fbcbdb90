import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import { AppRegistry, SEALING_KEYS } from './apps/app-registry.js';
import { DEMO_APP_IDS, DEMO_MASTER_KEY, demoAppsAmong, makeDemoApps } from './apps/demo-apps.js';
import type { SealingKeys } from './config/secrets-key.js';
import { Settings } from './config/settings.js';
import { DatabaseServer } from './database/database-server.js';
import { DEMO_CLIENT_ID, DEMO_JWT_APP_ID, demoToken, makeDemoJwtApp } from './identity/demo-identity.js';
import { APPLICATION_OPTIONS, httpAdapter, setUpHttp } from './operations/http.js';
import { ServiceLogger } from './operations/service-logger.js';
import { startErrorLines } from './start-error.js';

try {
  await start();
} catch (error) {
  for (const line of startErrorLines(error)) process.stderr.write(`im-signature did not start. ${line}\n`);
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
  setUpHttp(app);
  app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });

  const server = app.get(DatabaseServer);
  const demo = server.embedded && !settings.production ? await makeDemo(app) : undefined;
  const { opened, faults, openToEveryone } = await app.get(AppRegistry).probe(Date.now());
  if (opened === 0 && faults.length > 0) {
    throw new Error(
      `SECRETS_KEY: no app's master key opens, is it the one they were sealed with? ${faults[0] ?? ''}`,
    );
  }
  const token = await demo?.token();

  await app.listen(settings.port, settings.host);
  const url = await app.getUrl();
  // From here on it runs, and nothing that happens is a start that failed.
  app.flushLogs();
  void server.lost().then(() => {
    logger.fatal('The embedded PostgreSQL has ended. Start the service again.', 'main');
    process.exit(1);
  });
  for (const fault of faults) logger.error(fault, 'AppRegistry');
  if (openToEveryone.length > 0) {
    logger.warn(
      `Open to everyone, as they ask for no proof of identity: ${openToEveryone.join(', ')}`,
      'AppRegistry',
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

import { NestFactory } from '@nestjs/core';
import { Settings } from '../config/settings.js';
import { SettingsModule } from '../config/settings.module.js';
import { DatabaseServer } from '../database/database-server.js';
import { migrate } from '../database/migrate.js';
import { startErrorLines } from '../start-error.js';

try {
  const context = await NestFactory.createApplicationContext(SettingsModule, {
    abortOnError: false,
    logger: false,
  });
  const server = new DatabaseServer(context.get(Settings));
  const applied = await migrate(await server.url());
  for (const { name } of applied) process.stdout.write(`applied ${name}\n`);
  if (applied.length === 0) process.stdout.write('nothing to apply\n');
  await server.onApplicationShutdown();
} catch (error) {
  for (const line of startErrorLines(error)) process.stderr.write(`migrate: ${line}\n`);
  process.exitCode = 1;
}

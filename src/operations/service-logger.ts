import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import type { LogLevelName } from '../config/settings.js';

/** Nest's names; a level includes those above it. */
const LEVELS: Record<LogLevelName, LogLevel> = { error: 'error', warn: 'warn', info: 'log', debug: 'verbose' };
/** Nest's log of its own start, which belongs to `debug`. */
const FRAMEWORK = /^(InstanceLoader|NestFactory|NestApplication|RouterExplorer|RoutesResolver)$/;

/** Logs to the console, in production one JSON object a line. */
export class ServiceLogger extends ConsoleLogger {
  constructor(level: LogLevelName, production: boolean) {
    // `isTTY` is undefined where there is no terminal, which Nest would take for "unset".
    const colors = process.stdout.isTTY ? process.stdout.hasColors() : false;
    super({ logLevels: [LEVELS[level]], json: production, colors });
  }

  override log(message: unknown, ...optional: unknown[]): void {
    const level = FRAMEWORK.test(String(optional.at(-1))) ? 'debug' : 'log';
    super[level](message, ...optional);
  }
}

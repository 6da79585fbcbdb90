import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import type { LogLevelName } from '../config/settings.js';

const LEVELS: Record<LogLevelName, LogLevel[]> = {
  error: ['fatal', 'error'],
  warn: ['fatal', 'error', 'warn'],
  info: ['fatal', 'error', 'warn', 'log'],
  debug: ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'],
};

/** The framework's own account of how it starts, of interest only to who debugs it. */
const FRAMEWORK = new Set([
  'InstanceLoader',
  'NestFactory',
  'NestApplication',
  'RouterExplorer',
  'RoutesResolver',
]);

/** Logs to the console, in production one JSON object a line. */
export class ServiceLogger extends ConsoleLogger {
  constructor(level: LogLevelName, production: boolean) {
    super({ logLevels: LEVELS[level], json: production, colors: hasColours() });
  }

  override log(message: unknown, ...optional: unknown[]): void {
    const level = FRAMEWORK.has(String(optional.at(-1))) ? 'debug' : 'log';
    super[level](message, ...optional);
  }
}

/** Unlike its type says, `isTTY` is undefined where there is no terminal, which Nest takes for "unset". */
function hasColours(): boolean {
  return process.stdout.isTTY ? process.stdout.hasColors() : false;
}

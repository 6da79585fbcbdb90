import { inspect, styleText } from 'node:util';
import { Injectable, type LoggerService } from '@nestjs/common';
import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import { type LogLevelName, Settings } from '../config/settings.js';
import { LogSink } from './log-sink.js';

/** What belongs to a line beside its message, by names for programs; undefined values are left out. */
export type LogFields = Readonly<Record<string, string | number | undefined>>;
type Level = LogLevelName | 'fatal';

/** By urgency; a level includes those above it. */
const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const satisfies readonly Level[];
const COLOURS = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red', fatal: 'magenta' } as const;
/** Nest's log of its own start, which belongs to `debug`. */
const FRAMEWORK = /^(InstanceLoader|NestFactory|NestApplication|RouterExplorer|RoutesResolver)$/;
/** Of V8, as Nest tells a stack from a context. */
const STACK = /\n[ \t]+at .+:\d+:\d+/;

/** The log of the service: in production one JSON object a line, else text for people. Both go to standard output. */
@Injectable()
export class ServiceLogger implements LoggerService {
  private readonly level: number;
  private readonly format: typeof asText;

  constructor(
    { logLevel, production }: Settings,
    private readonly sink: LogSink,
  ) {
    this.level = LEVELS.indexOf(logLevel);
    this.format = production ? asJson() : asText;
  }

  isEnabled(level: Level): boolean {
    return LEVELS.indexOf(level) >= this.level;
  }

  /** @param stack where an error came from, for the first line that tells of it. */
  write(level: Level, context: string, message: string, fields: LogFields = {}, stack?: string): void {
    if (!this.isEnabled(level)) return;
    this.sink.write(this.format(level, context, message, fields, stack), (lost) =>
      this.format('warn', 'log', `${lost} lines of the log could not be written, and are lost`, { lost_lines: lost }),
    );
  }

  log(message: unknown, ...optional: unknown[]): void {
    this.take(FRAMEWORK.test(String(optional.at(-1))) ? 'debug' : 'info', message, optional);
  }

  error(message: unknown, ...optional: unknown[]): void {
    this.take('error', message, optional);
  }

  warn(message: unknown, ...optional: unknown[]): void {
    this.take('warn', message, optional);
  }

  debug(message: unknown, ...optional: unknown[]): void {
    this.take('debug', message, optional);
  }

  verbose(message: unknown, ...optional: unknown[]): void {
    this.take('debug', message, optional);
  }

  fatal(message: unknown, ...optional: unknown[]): void {
    this.take('fatal', message, optional);
  }

  /** @param optional as Nest gives them: a stack, or nothing in its place, and the context last. */
  private take(level: Level, message: unknown, optional: readonly unknown[]): void {
    const texts = optional.filter((value) => typeof value === 'string');
    const stack = message instanceof Error ? message.stack : texts.find((text) => STACK.test(text));
    const context = texts.findLast((text) => !STACK.test(text)) ?? '';
    const text = message instanceof Error ? message.message : typeof message === 'string' ? message : inspect(message);
    this.write(level, context, text, {}, stack);
  }
}

function asJson(): typeof asText {
  let line = '';
  const json: PinoLogger<'fatal'> = pino(
    {
      level: 'debug',
      messageKey: 'message',
      base: { pid: process.pid },
      formatters: { level: (level) => ({ level }) },
      timestamp: stdTimeFunctions.isoTime,
    },
    { write: (text) => (line = text) },
  );
  return (level, context, message, fields, stack) => {
    json[level]({ context, ...fields, stack }, message);
    return line;
  };
}

function asText(level: Level, context: string, message: string, fields: LogFields, stack?: string): string {
  const time = new Date().toISOString().replace('T', ' ');
  const name = level.toUpperCase().padEnd(5);
  const parts = [time, colour(COLOURS[level], name), `[${context}]`, message];
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) parts.push(`${key}=${value}`);
  return `${parts.join(' ')}\n${stack === undefined ? '' : `${stack}\n`}`;
}

/** Only where a person sees it. */
function colour(style: Parameters<typeof styleText>[0], text: string): string {
  return process.stdout.isTTY && process.stdout.hasColors() ? styleText(style, text) : text;
}

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { IsIn, IsNotEmpty, IsPort, Matches, ValidateBy, validateSync } from 'class-validator';
import { parseSecretsKey, type SealingKeys } from './secrets-key.js';

/** Built, this file is in `dist/src`; `dist` has a copy of package.json, which is not the package's. */
const PACKAGE_ROOT = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? '../..' : '../../..');

const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevelName = (typeof LOG_LEVELS)[number];

/** The mistakes found in the environment, one line each. */
export class SettingsError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(faults.join('\n'));
  }
}

/** What the service runs with; made from the environment once, at the start. */
export abstract class Settings {
  abstract readonly host: string;
  /** 0: any free port. */
  abstract readonly port: number;
  /** Unset: an embedded PostgreSQL under `dataDir`. */
  abstract readonly databaseUrl: string | undefined;
  abstract readonly databasePoolSize: number;
  abstract readonly dataDir: string;
  /** The folder of the migrations that register and change apps. */
  abstract readonly migrationsDir: string;
  /** Unset only when embedded: the key is then made and kept in `dataDir`. */
  abstract readonly sealingKeys: SealingKeys | undefined;
  /** Origins of pages that may call from a browser; `*` for any. */
  abstract readonly corsOrigins: '*' | readonly string[];
  /** Milliseconds after which a request is refused that is not answered yet, whatever it waits for. */
  abstract readonly requestTimeout: number;
  abstract readonly logLevel: LogLevelName;
  abstract readonly production: boolean;
}

/** A check by a function that throws an Error saying what is wrong, without the value where that is secret. */
const Parses = (parse: (text: string) => unknown) =>
  ValidateBy({
    name: 'parses',
    validator: {
      validate: (value: string) => faultOf(parse, value) === undefined,
      defaultMessage: (args) => `$property: ${faultOf(parse, args?.value as string) ?? ''}`,
    },
  });

function faultOf(parse: (text: string) => unknown, text: string): string | undefined {
  try {
    parse(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function parseFolder(path: string): void {
  if (!existsSync(path)) throw new Error(`no folder is at "${path}"`);
}

function parseDatabaseUrl(text: string): void {
  const form = 'must have the form postgres://user:password@host:5432/database';
  if (!URL.canParse(text)) throw new Error(form);
  const url = new URL(text);
  if (!/^postgres(ql)?:$/.test(url.protocol) || url.pathname.length < 2) throw new Error(form);
  try {
    decodeURIComponent(url.username + url.password + url.pathname);
  } catch {
    throw new Error('a % in its user, password or database must be written %25');
  }
}

function parseCorsOrigins(text: string): '*' | string[] {
  if (text === '*') return '*';
  if (text === 'none') return [];
  return text.split(',').map((origin) => {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw new Error(`"${origin}" is not an origin such as https://chat.example.com (or use * or none)`);
    }
    return origin;
  });
}

/** The environment as it stands, with the defaults of what is not set. */
class Environment {
  @IsNotEmpty({ message: 'HOST: must not be empty' })
  HOST = '127.0.0.1';

  @IsPort({ message: 'PORT: must be a whole number from 0 to 65535, not "$value"' })
  PORT = '3000';

  @Parses(parseDatabaseUrl)
  DATABASE_URL?: string;

  @Matches(/^[1-9]\d{0,2}$/, {
    message: 'DATABASE_POOL_SIZE: must be a whole number from 1 to 999, not "$value"',
  })
  DATABASE_POOL_SIZE = '10';

  @IsNotEmpty({ message: 'DATA_DIR: must not be empty' })
  DATA_DIR = '.data';

  @Parses(parseFolder)
  MIGRATIONS_DIR = join(PACKAGE_ROOT, 'migrations');

  @Parses(parseSecretsKey)
  SECRETS_KEY?: string;

  @Parses(parseCorsOrigins)
  CORS_ORIGINS?: string;

  @Matches(/^[1-9]\d{1,4}$/, {
    message: 'REQUEST_TIMEOUT_MS: must be a whole number from 10 to 99999, not "$value"',
  })
  REQUEST_TIMEOUT_MS = '2000';

  @IsIn(LOG_LEVELS, { message: `LOG_LEVEL: must be one of ${LOG_LEVELS.join(', ')}, not "$value"` })
  LOG_LEVEL: LogLevelName = 'info';
}

const NAMES = [
  'HOST',
  'PORT',
  'DATABASE_URL',
  'DATABASE_POOL_SIZE',
  'DATA_DIR',
  'MIGRATIONS_DIR',
  'SECRETS_KEY',
  'CORS_ORIGINS',
  'REQUEST_TIMEOUT_MS',
  'LOG_LEVEL',
] as const satisfies readonly (keyof Environment)[];

/** The settings of this process: its environment, and `.env` in the current folder for what is not set there. */
export function loadSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  if (env === process.env && existsSync('.env')) process.loadEnvFile('.env');
  return readSettings(env);
}

/**
 * Reads the settings from environment variables. A variable that is set but empty is a mistake, never the default:
 * an empty `DATABASE_URL` must not start an embedded database in production.
 *
 * @throws {SettingsError} with one line per fault; it never repeats `SECRETS_KEY` or `DATABASE_URL`.
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const given = Object.fromEntries(NAMES.filter((name) => env[name] !== undefined).map((name) => [name, env[name]]));
  const environment = Object.assign(new Environment(), given);
  const faults = validateSync(environment, { skipUndefinedProperties: true }).flatMap((error) =>
    Object.values(error.constraints ?? {}),
  );
  if (environment.DATABASE_URL !== undefined && environment.SECRETS_KEY === undefined) {
    faults.push('SECRETS_KEY: is required with DATABASE_URL (base64 of 32 bytes: openssl rand -base64 32)');
  }
  if (faults.length > 0) throw new SettingsError(faults);

  return {
    host: environment.HOST,
    port: Number(environment.PORT),
    databaseUrl: environment.DATABASE_URL,
    databasePoolSize: Number(environment.DATABASE_POOL_SIZE),
    dataDir: environment.DATA_DIR,
    migrationsDir: resolve(environment.MIGRATIONS_DIR),
    sealingKeys: environment.SECRETS_KEY === undefined ? undefined : parseSecretsKey(environment.SECRETS_KEY),
    corsOrigins: parseCorsOrigins(environment.CORS_ORIGINS ?? (environment.DATABASE_URL === undefined ? '*' : 'none')),
    requestTimeout: Number(environment.REQUEST_TIMEOUT_MS),
    logLevel: environment.LOG_LEVEL,
    production: env.NODE_ENV === 'production',
  };
}

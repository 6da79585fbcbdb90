import { statSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { IsIn, IsNotEmpty, IsPort, Matches, ValidateBy, validateSync } from 'class-validator';
import { parseDatabaseUrl, plainUrl } from './database-url.js';
import { readSecretFile } from './secret-file.js';
import { readEnvFile } from './env-file.js';
import { parseSecretsKey } from './secrets-key.js';
import { SettingsError } from './settings-error.js';

/** Built, this file is in `dist/src`; `dist` has a copy of package.json, which is not the package's. */
const PACKAGE_ROOT = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? '../..' : '../../..');
/** The usual names. Any other, such as "prod", would start the service as if it were not production. */
const NODE_ENVS = ['production', 'development', 'test'] as const;
const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevelName = (typeof LOG_LEVELS)[number];

const NOT_EMPTY = { message: 'must not be empty' };
const mustBe = (rule: string) => ({ message: `must be ${rule}, not "$value"` });

/** The variables whose value may be in a file, which `…_FILE` names. */
const SECRETS = ['DATABASE_URL', 'SECRETS_KEY'] as const;
type Secret = (typeof SECRETS)[number];

/** Also the separators of lines and paragraphs, which look like line breaks. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** The variables as text, with their defaults. */
class Environment {
  @IsNotEmpty(NOT_EMPTY) HOST = '127.0.0.1';
  @IsPort(mustBe('a whole number from 0 to 65535')) PORT = '3000';
  @IsPort(mustBe('a whole number from 0 to 65535')) METRICS_PORT?: string;
  @Parses(parseDatabaseUrl) DATABASE_URL?: string | undefined;
  @IsNotEmpty(NOT_EMPTY) DATABASE_URL_FILE?: string;
  @Matches(/^[1-9]\d{0,2}$/, mustBe('a whole number from 1 to 999')) DATABASE_POOL_SIZE = '10';
  @IsNotEmpty(NOT_EMPTY) DATA_DIR = '.data';
  @Parses(parseFolder) MIGRATIONS_DIR = join(PACKAGE_ROOT, 'migrations');
  @Parses(parseSecretsKey) SECRETS_KEY?: string | undefined;
  @IsNotEmpty(NOT_EMPTY) SECRETS_KEY_FILE?: string;
  @Parses(parseCorsOrigins) CORS_ORIGINS?: string;
  @Matches(/^[1-9]\d{1,4}$/, mustBe('a whole number from 10 to 99999')) REQUEST_TIMEOUT_MS = '2000';
  @Matches(/^(0|[1-9]\d{0,5})$/, mustBe('a whole number from 0 to 999999')) RATE_LIMIT_PER_ADDRESS_PER_MINUTE = '0';
  @Parses(parseProxies) TRUST_PROXY = 'none';
  @Matches(/^[1-9]\d{3,6}$/, mustBe('a whole number from 1000 to 9999999')) KEEP_ALIVE_TIMEOUT_MS = '72000';
  @Matches(/^(0|[1-9]\d{0,5})$/, mustBe('a whole number from 0 to 999999')) SHUTDOWN_DELAY_MS = '0';
  @Matches(/^(0|[1-9]\d{0,5})$/, mustBe('a whole number from 0 to 999999')) SHUTDOWN_TIMEOUT_MS = '10000';
  @Matches(/^(0|[1-9]\d{0,8})$/, mustBe('a whole number from 0 to 999999999')) RATE_LIMIT_PER_MINUTE = '60';
  @IsIn(['on', 'off'], mustBe('on or off')) CHECKER?: 'on' | 'off';
  @IsIn(LOG_LEVELS, mustBe(`one of ${LOG_LEVELS.join(', ')}`)) LOG_LEVEL: LogLevelName = 'info';
  @IsIn(NODE_ENVS, mustBe(`one of ${NODE_ENVS.join(', ')}`)) NODE_ENV?: (typeof NODE_ENVS)[number];
}

/** What the service runs with; each value from its variable. */
export class Settings {
  constructor(
    environment: Environment,
    readonly production: boolean,
    readonly host = environment.HOST,
    /** 0: any free port. */
    readonly port = Number(environment.PORT),
    /** Undefined: no metrics. 0: any free port. */
    readonly metricsPort = environment.METRICS_PORT === undefined ? undefined : Number(environment.METRICS_PORT),
    /** Undefined: an embedded PostgreSQL under `dataDir`. */
    readonly databaseUrl = environment.DATABASE_URL && plainUrl(environment.DATABASE_URL),
    readonly databasePoolSize = Number(environment.DATABASE_POOL_SIZE),
    readonly dataDir = environment.DATA_DIR,
    /** The folder of the migrations that register and change apps. */
    readonly migrationsDir = resolve(environment.MIGRATIONS_DIR),
    /** Undefined only without `databaseUrl`: the key is then a file in `dataDir`. */
    readonly sealingKeys = environment.SECRETS_KEY === undefined ? undefined : parseSecretsKey(environment.SECRETS_KEY),
    /** The variable that gives them. */
    readonly sealingKeysVariable = variableOf(environment, 'SECRETS_KEY'),
    /** The origins whose pages may call from a browser; `*`: any. */
    readonly corsOrigins = parseCorsOrigins(environment.CORS_ORIGINS ?? (databaseUrl === undefined ? '*' : 'none')),
    /** Milliseconds after which an unanswered request is refused. */
    readonly requestTimeout = Number(environment.REQUEST_TIMEOUT_MS),
    /** Requests a minute, before the client is known; 0: any number. */
    readonly rateLimitPerAddress = Number(environment.RATE_LIMIT_PER_ADDRESS_PER_MINUTE),
    /** The addresses and networks whose word on the client's address, `X-Forwarded-For`, counts. */
    readonly trustProxy = parseProxies(environment.TRUST_PROXY),
    /** Milliseconds for which a connection may wait for its next request. */
    readonly keepAliveTimeout = Number(environment.KEEP_ALIVE_TIMEOUT_MS),
    /** Milliseconds for which new requests are answered after the signal to end. */
    readonly shutdownDelay = Number(environment.SHUTDOWN_DELAY_MS),
    /** Milliseconds after them for requests that are not answered yet. */
    readonly shutdownTimeout = Number(environment.SHUTDOWN_TIMEOUT_MS),
    /** Requests of a client whose identity is proven; 0: no limit. */
    readonly rateLimitPerMinute = Number(environment.RATE_LIMIT_PER_MINUTE),
    /** Whether anyone may ask why a signature was refused. */
    readonly checker = environment.CHECKER === undefined ? !production : environment.CHECKER === 'on',
    readonly logLevel = environment.LOG_LEVEL,
  ) {}
}

/** The variable that is set for a secret, or else the one of its value. */
function variableOf(environment: Environment, secret: Secret): Secret | `${Secret}_FILE` {
  return environment[`${secret}_FILE`] === undefined ? secret : `${secret}_FILE`;
}

/** The settings of this process: its environment, and `.env` in the current folder for variables that are not set. */
export function loadSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  // Into the environment, where pg looks for PG… variables. PGOPTIONS is not used (data-source.ts).
  const variables = env === process.env ? Object.entries(readEnvFile('.env')) : [];
  for (const [name, value] of variables) if (name !== 'PGOPTIONS') env[name] ??= value;
  return readSettings(env);
}

/**
 * Reads the settings from environment variables. One that is set but empty is a mistake: an empty `DATABASE_URL` must not
 * start an embedded database in production.
 *
 * @throws {SettingsError} with one line per fault; it never repeats `SECRETS_KEY` or `DATABASE_URL`, nor what is in their files.
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const environment = new Environment();
  const faults: string[] = [];
  for (const name of Object.keys(environment)) {
    const value = env[name];
    // What came to be in a value by mistake may be the line of a secret: it is not shown, and not checked further.
    if (value !== undefined && CONTROL.test(value) && !SECRETS.some((secret) => secret === name)) {
      faults.push(`${name}: must be on one line, without control characters`);
    } else if (value !== undefined) Object.assign(environment, { [name]: value });
  }
  faults.push(...takeSecretFiles(environment));
  for (const { property, constraints } of validateSync(environment, { skipUndefinedProperties: true })) {
    const secret = SECRETS.find((name) => name === property);
    const name = secret === undefined ? property : variableOf(environment, secret);
    faults.push(...Object.values(constraints ?? {}).map((fault) => `${name}: ${fault}`));
  }
  const isSet = (secret: Secret) => environment[variableOf(environment, secret)] !== undefined;
  if (isSet('DATABASE_URL') && !isSet('SECRETS_KEY')) {
    const url = variableOf(environment, 'DATABASE_URL');
    faults.push(`SECRETS_KEY: is required with ${url}; make a key with "im-signature secrets new"`);
  }
  if (environment.METRICS_PORT === environment.PORT && environment.PORT !== '0') {
    faults.push(`METRICS_PORT: must be another than PORT, ${environment.PORT}`);
  }
  const production = environment.NODE_ENV === 'production';
  // A line of `.env` that is not understood must not start an empty database in front of every login.
  if (production && !isSet('DATABASE_URL') && env.DATA_DIR === undefined) {
    faults.push('DATABASE_URL: is required with NODE_ENV=production; for an embedded PostgreSQL set DATA_DIR instead');
  }
  if (faults.length > 0) throw new SettingsError(faults);
  return new Settings(environment, production);
}

/** Reads the files of secrets into the variables that they stand for. @returns the faults. */
function takeSecretFiles(environment: Environment): string[] {
  return SECRETS.flatMap((secret) => {
    const file = environment[`${secret}_FILE`];
    if (file === undefined || file === '') return [];
    // Nobody can tell which of two the operator means.
    if (environment[secret] !== undefined) {
      environment[secret] = undefined;
      return [`${secret}_FILE: ${secret} is set, too, in the environment or in .env; set one of them`];
    }
    try {
      environment[secret] = readSecretFile(file);
      return [];
    } catch (error) {
      return [`${secret}_FILE: ${(error as Error).message}`];
    }
  });
}

/** Also of a hybrid app: `capacitor://localhost`. No browser's host has a `*`, or a dot first: that would match nothing. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, origin } = new URL(text);
  if (origin === 'null') return /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._-]+(:\d+)?$/.test(text);
  return /^https?:$/.test(protocol) && origin === text && !/\*|\/\./.test(text);
}

/** Checks by a function that throws an Error saying what is wrong, without the value where that is secret. */
function Parses(parse: (text: string) => unknown): PropertyDecorator {
  let fault = '';
  const validate = (text: string): boolean => {
    try {
      parse(text);
      return true;
    } catch (error) {
      fault = (error as Error).message;
      return false;
    }
  };
  return ValidateBy({ name: 'parses', validator: { validate, defaultMessage: () => fault } });
}

function parseFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new Error(`no folder is at "${path}"; make it, or name another`);
}

function parseProxies(text: string): string[] {
  if (text === 'none') return [];
  const proxies = text.split(',');
  const wrong = proxies.find((proxy) => {
    const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(proxy) ?? [];
    const version = isIP(address);
    return version === 0 || Number(bits ?? 0) > (version === 4 ? 32 : 128);
  });
  if (wrong === undefined) return proxies;
  throw new Error(`"${wrong}" is not an address or a network such as 10.0.0.0/8 (or use none)`);
}

function parseCorsOrigins(text: string): '*' | string[] {
  if (text === '*') return '*';
  if (text === 'none') return [];
  const origins = text.split(',');
  const wrong = origins.find((origin) => !isOrigin(origin));
  if (wrong === undefined) return origins;
  throw new Error(`"${wrong}" is not an origin such as https://chat.example.com (or use * or none)`);
}

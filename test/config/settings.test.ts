import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built } from '../support/built.js';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { readSettings } from '../../src/config/settings.js';
import { SettingsError } from '../../src/config/settings-error.js';

afterEach(() => {
  vi.unstubAllEnvs();
});

const KEY = Buffer.alloc(32, 7).toString('base64');
const URL = 'postgres://user:hunter2@db.example.com:5432/im';

function faultsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readSettings(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

describe('the settings', () => {
  it('have defaults: an embedded database, any origin, this machine only', () => {
    expect(readSettings({})).toEqual({
      host: '127.0.0.1',
      port: 3000,
      metricsPort: undefined,
      databaseUrl: undefined,
      databasePoolSize: 10,
      dataDir: '.data',
      migrationsDir: join(import.meta.dirname, '../../migrations'),
      sealingKeys: undefined,
      sealingKeysVariable: 'SECRETS_KEY',
      corsOrigins: '*',
      checker: true,
      logLevel: 'info',
      production: false,
      requestTimeout: 2000,
      rateLimitPerAddress: 0,
      trustProxy: [],
      keepAliveTimeout: 72_000,
      shutdownDelay: 0,
      shutdownTimeout: 10_000,
      rateLimitPerMinute: 60,
    });
  });

  it('look for registrations beside package.json, not in dist, when built', async () => {
    const settings = await built<typeof import('../../src/config/settings.js')>('src/config/settings.js');
    expect(settings.readSettings({}).migrationsDir).toBe(join(import.meta.dirname, '../../migrations'));
  });

  it('allow no browser origin with DATABASE_URL, except those in CORS_ORIGINS', () => {
    const env = { DATABASE_URL: URL, SECRETS_KEY: KEY };
    expect(readSettings(env).corsOrigins).toEqual([]);
    expect(readSettings({ ...env, CORS_ORIGINS: 'https://a.example,http://localhost:8080' }).corsOrigins).toEqual([
      'https://a.example',
      'http://localhost:8080',
    ]);
    expect(readSettings({ CORS_ORIGINS: 'none' }).corsOrigins).toEqual([]);
  });

  it('keep the order of the sealing keys, the first of which seals', () => {
    const { sealingKeys } = readSettings({ DATABASE_URL: URL, SECRETS_KEY: `2027:${KEY},2026:${KEY}` });
    expect([...(sealingKeys?.keys() ?? [])]).toEqual(['2027', '2026']);
  });

  it.each([
    [{ PORT: '70000' }, 'PORT: must be a whole number from 0 to 65535, not "70000"'],
    [{ PORT: '' }, 'PORT: must be a whole number from 0 to 65535, not ""'],
    [{ METRICS_PORT: 'x' }, 'METRICS_PORT: must be a whole number from 0 to 65535, not "x"'],
    [{ METRICS_PORT: '3000' }, 'METRICS_PORT: must be another than PORT, 3000'],
    [{ HOST: '' }, 'HOST: must not be empty'],
    [{ MIGRATIONS_DIR: '/not/there' }, 'MIGRATIONS_DIR: no folder is at "/not/there"; make it, or name another'],
    [
      { MIGRATIONS_DIR: process.execPath },
      `MIGRATIONS_DIR: no folder is at "${process.execPath}"; make it, or name another`,
    ],
    [{ DATABASE_POOL_SIZE: '0' }, 'DATABASE_POOL_SIZE: must be a whole number from 1 to 999, not "0"'],
    [{ REQUEST_TIMEOUT_MS: '2s' }, 'REQUEST_TIMEOUT_MS: must be a whole number from 10 to 99999, not "2s"'],
    [{ REQUEST_TIMEOUT_MS: '0' }, 'REQUEST_TIMEOUT_MS: must be a whole number from 10 to 99999, not "0"'],
    [
      { RATE_LIMIT_PER_ADDRESS_PER_MINUTE: '-1' },
      'RATE_LIMIT_PER_ADDRESS_PER_MINUTE: must be a whole number from 0 to 999999, not "-1"',
    ],
    ...['', 'nginx', '10.0.0.0/33', '10.0.0.1, 10.0.0.2', '10.0.0.1,', 'true', '10.0.0.0/8/8'].map(
      (proxies): [NodeJS.ProcessEnv, string] => [
        { TRUST_PROXY: proxies },
        `TRUST_PROXY: "${proxies.split(',')[1] ?? proxies}" is not an address or a network such as 10.0.0.0/8 (or use none)`,
      ],
    ),
    [{ KEEP_ALIVE_TIMEOUT_MS: '999' }, 'KEEP_ALIVE_TIMEOUT_MS: must be a whole number from 1000 to 9999999, not "999"'],
    [{ SHUTDOWN_DELAY_MS: '5s' }, 'SHUTDOWN_DELAY_MS: must be a whole number from 0 to 999999, not "5s"'],
    [{ SHUTDOWN_TIMEOUT_MS: '-1' }, 'SHUTDOWN_TIMEOUT_MS: must be a whole number from 0 to 999999, not "-1"'],
    [{ RATE_LIMIT_PER_MINUTE: '-1' }, 'RATE_LIMIT_PER_MINUTE: must be a whole number from 0 to 999999999, not "-1"'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL: must be one of error, warn, info, debug, not "loud"'],
    [{ NODE_ENV: 'prod' }, 'NODE_ENV: must be one of production, development, test, not "prod"'],
    [
      { CORS_ORIGINS: 'https://a.example/' },
      'CORS_ORIGINS: "https://a.example/" is not an origin such as https://chat.example.com (or use * or none)',
    ],
    [
      { DATABASE_URL: '', SECRETS_KEY: KEY },
      'DATABASE_URL: must have the form postgres://user:password@host:5432/database',
    ],
    [
      { DATABASE_URL: 'mysql://user:hunter2@db/im', SECRETS_KEY: KEY },
      'DATABASE_URL: must have the form postgres://user:password@host:5432/database',
    ],
    ...['p#w', 'p/w', 'p?w'].map((password): [NodeJS.ProcessEnv, string] => [
      { DATABASE_URL: `postgres://im:${password}@db/im`, SECRETS_KEY: KEY },
      'DATABASE_URL: a #, / or ? in its user or password must be written %23, %2F or %3F',
    ]),
    [{ DATABASE_URL: URL }, 'SECRETS_KEY: is required with DATABASE_URL; make a key with "im-signature secrets new"'],
    [
      { NODE_ENV: 'production', Database_Url: URL },
      'DATABASE_URL: is required with NODE_ENV=production; for an embedded PostgreSQL set DATA_DIR instead',
    ],
    [{ SECRETS_KEY: ' \n' }, 'SECRETS_KEY: is empty; make a key with "im-signature secrets new"'],
    [{ SECRETS_KEY: '' }, 'SECRETS_KEY: is empty; make a key with "im-signature secrets new"'],
    [{ SECRETS_KEY: `${KEY},${KEY}` }, 'SECRETS_KEY: entry 2: duplicate key id "default"'],
    [{ SECRETS_KEY: `${KEY},` }, 'SECRETS_KEY: entry 2: not the base64 of 32 bytes (44 characters, the last one =)'],
    [{ SECRETS_KEY: `bad id:${KEY}` }, 'SECRETS_KEY: entry 1: a key id is 1 to 32 characters of A-Z a-z 0-9 _ -'],
    [
      { SECRETS_KEY: Buffer.alloc(31).toString('base64') },
      'SECRETS_KEY: entry 1: not the base64 of 32 bytes (44 characters, the last one =)',
    ],
  ])('refuse %j', (env, fault) => {
    expect(faultsOf(env)).toEqual([fault]);
  });

  it.each([
    'https://*.example.com',
    'https://.example.com',
    'https://a.example,',
    'capacitor://localhost/',
    'capacitor://*',
    'capacitor:localhost',
    'Capacitor://localhost',
    'HTTPS://a.example',
    'https://user@a.example',
    'null',
    'ws://a.example',
    '*,https://a.example',
  ])('refuse %s as an origin, which no browser sends', (origins) => {
    expect(faultsOf({ CORS_ORIGINS: origins })).toEqual([
      expect.stringMatching(/^CORS_ORIGINS: ".*" is not an origin/),
    ]);
  });

  it('allow the origins of hybrid apps', () => {
    const origins = ['capacitor://localhost', 'ionic://localhost', 'app://my_app', 'http://localhost:8100'];
    expect(readSettings({ CORS_ORIGINS: origins.join() }).corsOrigins).toEqual(origins);
  });

  it.each([
    ['postgres://im:pw@/im?host=/var/run/postgresql', 'postgres://im:pw@localhost/im?host=/var/run/postgresql'],
    ['postgres://im:pw@%2Fvar%2Frun%2Fpostgresql/im', 'postgres://im:pw@%2Fvar%2Frun%2Fpostgresql/im'],
    ['postgresql:///im?host=/tmp&user=im', 'postgresql:///im?host=/tmp&user=im'],
    ['postgres://im:p@w@/im?host=/tmp', 'postgres://im:p@w@localhost/im?host=/tmp'],
  ])('take the URL of a Unix socket: %s', (url, taken) => {
    vi.stubEnv('PGHOST', '');
    expect(readSettings({ DATABASE_URL: url, SECRETS_KEY: KEY }).databaseUrl).toBe(taken);
  });

  it('take a DATABASE_URL without the blanks around it', () => {
    expect(readSettings({ DATABASE_URL: ` ${URL} \n`, SECRETS_KEY: KEY }).databaseUrl).toBe(URL);
  });

  it.each([
    ['sslmode=require', 'sslmode=verify-full'],
    ['a=b&sslmode=prefer&sslrootcert=/ca.pem', 'a=b&sslmode=verify-full&sslrootcert=/ca.pem'],
    ['sslmode=verify-ca', 'sslmode=verify-full'],
    ['sslmode=disable', 'sslmode=disable'],
    ['sslmode=no-verify', 'sslmode=no-verify'],
    ['uselibpqcompat=true&sslmode=require', 'uselibpqcompat=true&sslmode=require'],
  ])('take the mode of TLS for what pg does: %s', (parameters, taken) => {
    const { databaseUrl } = readSettings({ DATABASE_URL: `${URL}?${parameters}`, SECRETS_KEY: KEY });
    expect(databaseUrl).toBe(`${URL}?${taken}`);
  });

  it.each([
    ['postgres://im@/im?host=/tmp&sslmode=require', '', 'postgres://im@localhost/im?host=/tmp&sslmode=disable'],
    ['postgres://im@/im?host=%2Ftmp', 'require', 'postgres://im@localhost/im?host=%2Ftmp&sslmode=disable'],
    ['postgres://im@%2Ftmp/im', 'verify-full', 'postgres://im@%2Ftmp/im?sslmode=disable'],
    ['postgres://im:p@w@%2Ftmp/im', 'verify-full', 'postgres://im:p@w@%2Ftmp/im?sslmode=disable'],
    ['postgres://im@/im?host=/tmp&ssl=true', '', 'postgres://im@localhost/im?host=/tmp&ssl=true&sslmode=disable'],
    ['postgres://im@db/im', 'verify-full', 'postgres://im@db/im'],
    ['postgres://im@db/im?ssl=true', '', 'postgres://im@db/im?ssl=true'],
    ['postgres:///im?host=db', 'verify-full', 'postgres:///im?host=db'],
  ])('take no mode of TLS on a Unix socket, as psql does: %s, PGSSLMODE=%s', (url, mode, taken) => {
    vi.stubEnv('PGHOST', '');
    vi.stubEnv('PGSSLMODE', mode);
    expect(readSettings({ DATABASE_URL: url, SECRETS_KEY: KEY }).databaseUrl).toBe(taken);
  });

  it.each([
    ['sslmode=verify_full', '', 'its sslmode must be one of disable, '],
    ['sslmode=disable&sslmode=VERIFY-FULL', '', 'its sslmode must be one of disable, '],
    ['sslmode=', '', 'its sslmode must be one of disable, '],
    ['sslmode=allow', '', 'its sslmode must be one of disable, '],
    ['ssl=false', '', 'its ssl=… is not known; write sslmode=verify-full, no-verify or disable instead'],
    ['ssl=require', '', 'its ssl=… is not known; '],
    ['', 'verify_full', 'PGSSLMODE must be one of disable, '],
    ['a=b', 'allow', 'PGSSLMODE must be one of disable, '],
  ])('refuse a mode of TLS that is none, as it could switch encryption off: %j, PGSSLMODE=%j', (query, mode, fault) => {
    vi.stubEnv('PGSSLMODE', mode);
    expect(faultsOf({ DATABASE_URL: `${URL}?${query}`, SECRETS_KEY: KEY })).toEqual([
      expect.stringContaining(`DATABASE_URL: ${fault}`),
    ]);
  });

  it.each([
    ['sslmode=no-verify', 'nonsense'],
    ['ssl=true', 'nonsense'],
    ['ssl=0', ''],
    ['', 'require'],
  ])('take a mode of TLS that pg knows: %j, PGSSLMODE=%j', (query, mode) => {
    vi.stubEnv('PGSSLMODE', mode);
    expect(faultsOf({ DATABASE_URL: `${URL}?${query}`, SECRETS_KEY: KEY })).toEqual([]);
  });

  it('pay no attention to PGSSLMODE for an embedded database', () => {
    vi.stubEnv('PGSSLMODE', 'nonsense');
    expect(faultsOf({})).toEqual([]);
  });

  it('take a SECRETS_KEY without the blanks and the byte order mark around it', () => {
    for (const text of [`${KEY}\n`, `\ufeff${KEY}\r\n`, ` default:${KEY} `]) {
      expect(readSettings({ DATABASE_URL: URL, SECRETS_KEY: text }).sealingKeys?.get('default')).toEqual(
        Buffer.from(KEY, 'base64'),
      );
    }
  });

  it('take the host of PGHOST where the URL has none, as psql does', () => {
    vi.stubEnv('PGHOST', '/run/postgresql');
    const { databaseUrl } = readSettings({ DATABASE_URL: 'postgres://im:pw@/im', SECRETS_KEY: KEY });
    expect(databaseUrl).toBe('postgres://im:pw@%2Frun%2Fpostgresql/im');
    vi.stubEnv('PGSSLMODE', 'require');
    const { databaseUrl: withoutUser } = readSettings({ DATABASE_URL: 'postgres:///im?user=im', SECRETS_KEY: KEY });
    expect(withoutUser, 'a socket, where no mode of TLS counts').toBe('postgres:///im?user=im&sslmode=disable');
  });

  it('take the addresses and networks of proxies', () => {
    const proxies = ['10.0.0.0/8', '192.168.0.1', '::1', 'fd00::/8'];
    expect(readSettings({ TRUST_PROXY: proxies.join() }).trustProxy).toEqual(proxies);
  });

  it('report all mistakes at once', () => {
    expect(faultsOf({ PORT: 'x', LOG_LEVEL: 'x', DATABASE_URL: URL })).toHaveLength(3);
  });

  it('never print a secret', () => {
    const faults = faultsOf({ DATABASE_URL: `x${URL}`, SECRETS_KEY: 'topsecret' }).join();
    expect(faults).not.toContain('hunter2');
    expect(faults).not.toContain('topsecret');
  });

  it.each(['\n', '\u0085', '\u2028', '\f'])(
    'that hold %j are refused, and not shown: it may be a line that was swallowed',
    (mark) => {
      const swallowed = `${mark}SECRETS_KEY=topsecret`;
      for (const name of ['PORT', 'LOG_LEVEL', 'CORS_ORIGINS', 'TRUST_PROXY', 'MIGRATIONS_DIR', 'HOST', 'NODE_ENV']) {
        expect(faultsOf({ [name]: `x${swallowed}` })).toEqual([
          `${name}: must be on one line, without control characters`,
        ]);
      }
    },
  );
});

describe('a file of a secret', () => {
  const folder = mkdtempSync(join(tmpdir(), 'im-signature-secrets-'));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const key = file('key', `2027:${KEY}\n`);
  const url = file('url', URL);

  it.each([
    ['as it is', URL, `k:${KEY}`],
    ['with a line break at its end', `${URL}\n`, `k:${KEY}\r\n`],
    ['with blanks and lines around it', `\n \t${URL} \n\n`, `  k:${KEY}\n \n`],
    ['after a byte order mark', `\ufeff${URL}`, `\ufeffk:${KEY}\r\n`],
  ])('holds the value: %s', (_, urlText, keyText) => {
    const settings = readSettings({
      NODE_ENV: 'production',
      DATABASE_URL_FILE: file('url-of-form', urlText),
      SECRETS_KEY_FILE: file('key-of-form', keyText),
    });
    expect(settings.databaseUrl).toBe(URL);
    expect([...(settings.sealingKeys ?? [])]).toEqual([['k', Buffer.from(KEY, 'base64')]]);
    // As for a DATABASE_URL: the database is not the embedded one.
    expect(settings.corsOrigins).toEqual([]);
  });

  it('goes with the other as a variable, and with an embedded database', () => {
    expect(faultsOf({ DATABASE_URL: URL, SECRETS_KEY_FILE: key })).toEqual([]);
    expect(faultsOf({ DATABASE_URL_FILE: url, SECRETS_KEY: KEY })).toEqual([]);
    const { databaseUrl, sealingKeys, sealingKeysVariable } = readSettings({ SECRETS_KEY_FILE: key });
    expect([databaseUrl, sealingKeys?.size, sealingKeysVariable]).toEqual([undefined, 1, 'SECRETS_KEY_FILE']);
  });

  mkdirSync(join(folder, 'folder'));
  it.each<[NodeJS.ProcessEnv, string]>([
    [{ SECRETS_KEY_FILE: '' }, 'SECRETS_KEY_FILE: must not be empty'],
    [{ DATABASE_URL_FILE: '', SECRETS_KEY: KEY, NODE_ENV: 'production' }, 'DATABASE_URL_FILE: must not be empty'],
    [{ SECRETS_KEY_FILE: `${folder}/none` }, `SECRETS_KEY_FILE: ${folder}/none cannot be read (ENOENT)`],
    [
      { DATABASE_URL_FILE: `${folder}/none`, SECRETS_KEY: KEY, NODE_ENV: 'production' },
      `DATABASE_URL_FILE: ${folder}/none cannot be read (ENOENT)`,
    ],
    [{ SECRETS_KEY_FILE: `${key}/x` }, `SECRETS_KEY_FILE: ${key}/x cannot be read (ENOTDIR)`],
    [
      { SECRETS_KEY_FILE: `${folder}/folder` },
      `SECRETS_KEY_FILE: ${folder}/folder cannot be read (it is no regular file)`,
    ],
    // It would never end.
    [{ SECRETS_KEY_FILE: '/dev/zero' }, 'SECRETS_KEY_FILE: /dev/zero cannot be read (it is no regular file)'],
    [{ SECRETS_KEY_FILE: file('empty', '') }, `SECRETS_KEY_FILE: ${folder}/empty is empty`],
    [{ SECRETS_KEY_FILE: file('blank', '\ufeff \n') }, `SECRETS_KEY_FILE: ${folder}/blank is empty`],
    [
      { SECRETS_KEY_FILE: file('utf-16', Buffer.from(`\ufeff${KEY}`, 'utf16le')) },
      `SECRETS_KEY_FILE: ${folder}/utf-16 is not UTF-8`,
    ],
    [
      { SECRETS_KEY_FILE: file('short', 'topsecret') },
      'SECRETS_KEY_FILE: entry 1: not the base64 of 32 bytes (44 characters, the last one =)',
    ],
    [
      { DATABASE_URL_FILE: file('mysql', 'mysql://user:hunter2@db/im'), SECRETS_KEY: KEY },
      'DATABASE_URL_FILE: must have the form postgres://user:password@host:5432/database',
    ],
    [
      { DATABASE_URL_FILE: url },
      'SECRETS_KEY: is required with DATABASE_URL_FILE; make a key with "im-signature secrets new"',
    ],
    [
      { SECRETS_KEY: 'topsecret', SECRETS_KEY_FILE: key },
      'SECRETS_KEY_FILE: SECRETS_KEY is set, too, in the environment or in .env; set one of them',
    ],
    [
      { DATABASE_URL: URL, DATABASE_URL_FILE: `${folder}/none`, SECRETS_KEY: KEY, NODE_ENV: 'production' },
      'DATABASE_URL_FILE: DATABASE_URL is set, too, in the environment or in .env; set one of them',
    ],
  ])('that is wrong stops the start: %j', (env, fault) => {
    expect(faultsOf(env)).toEqual([fault]);
  });

  it.each([
    { SECRETS_KEY_FILE: KEY },
    { SECRETS_KEY_FILE: `k:${KEY}` },
    { DATABASE_URL_FILE: URL, SECRETS_KEY: KEY },
    { DATABASE_URL_FILE: 'user:hunter2@db/im', SECRETS_KEY: KEY },
  ])('is not named where the secret itself was given for it: %j', (env) => {
    expect(faultsOf(env)).toEqual([
      expect.stringMatching(
        /^\w+_FILE: the file \(not named here: it looks like the secret itself\) cannot be read \(ENOENT\)$/,
      ),
    ]);
  });
});

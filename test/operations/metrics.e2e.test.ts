import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hmacSecretPurpose, seal } from '../../src/apps/sealing.js';
import { freePort } from '../support/free-port.js';
import { makeKey, secretKey, tokenFor } from '../support/issuer.js';
import { run } from '../support/program.js';
import { rawRequest } from '../support/raw-request.js';
import { startService, type TestService } from '../support/service.js';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const RULES = join(DEPLOY, 'prometheus/rules.yml');
const SECRET = 'a-secret-in-plain-sight-of-32-bytes';
const isInstalled = spawnSync('promtool', ['--version']).status === 0;
if (!isInstalled) process.stdout.write('promtool is not installed: its tests are skipped\n');

let service: TestService;
let url: string;

beforeAll(async () => {
  service = await startService({ METRICS_PORT: '0', RATE_LIMIT_PER_MINUTE: '0' });
  [, url = ''] = /Metrics on (\S+)/.exec(service.logged.join('')) ?? [];
  await service.registerApp('shadow', 'a-master-key', { membership: 'required', membership_mode: 'shadow' });
});

afterAll(() => service.close());

async function metrics(): Promise<string> {
  const response = await fetch(url);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return response.text();
}

/** The number of one series, by its name with its labels. */
async function value(series: string): Promise<number> {
  const line = (await metrics()).split('\n').find((text) => text.startsWith(`${series} `));
  expect(line, series).toBeDefined();
  return Number(line?.slice(series.length));
}

/** By how much a series grows while something is done. */
async function growth(series: string, work: () => Promise<unknown>): Promise<number> {
  const before = await value(series);
  await work();
  return (await value(series)) - before;
}

const ask = async (path: string, token?: string): Promise<number> => {
  const response = await fetch(`${service.url}/signature/${path}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  await response.text();
  return response.status;
};

describe('/metrics', () => {
  it('counts signatures and refusals by action and code, and by app', async () => {
    const login = (): Promise<number> => ask('login/1/alice');
    expect(await growth('im_signature_signatures_total{action="login"}', login)).toBe(1);
    expect(await growth('im_signature_app_signatures_total{app="1"}', login)).toBe(1);
    const malformed = (): Promise<number> => ask('kick/1/alice/c/b:a');
    expect(await growth('im_signature_refusals_total{action="kick",code="members_not_sorted"}', malformed)).toBe(1);
    const unknown = (): Promise<number> => ask('login/nowhere/alice');
    expect(await growth('im_signature_refusals_total{action="login",code="app_not_found"}', unknown)).toBe(1);
    const elsewhere = (): Promise<number> => ask('nothing');
    expect(await growth('im_signature_refusals_total{action="",code="route_not_found"}', elsewhere)).toBe(1);
    await service.database.query(`INSERT INTO client_bans VALUES ('1', 'banned')`);
    expect(await growth('im_signature_app_refusals_total{app="1"}', () => ask('login/1/banned'))).toBe(1);
    expect(await metrics()).not.toContain('nowhere');
  });

  it('counts, and the log names, what is no HTTP request', async () => {
    const refusals = 'im_signature_refusals_total{action="",code="malformed_url"}';
    expect(await growth(refusals, () => rawRequest(service.url, '/', { method: 'SIGN' }))).toBe(1);
    expect(service.logged.at(-1)).toMatch(
      /The URL, or the request line around it, is malformed request_id=\S+ status=400/,
    );
  });

  it('has the time of each answer in a histogram by action', async () => {
    const all = 'im_signature_request_duration_seconds_bucket{action="invite",le="+Inf"}';
    expect(await growth(all, () => ask('invite/1/alice/c/bob'))).toBe(1);
    expect(
      await growth('im_signature_request_duration_seconds_count{action="invite"}', () => ask('invite/1/a:b/c/bob')),
    ).toBe(1);
  });

  it('counts tokens by outcome, and fetches of keys', async () => {
    await service.registerApp('hmac', 'a-key-in-plain-sight', { identity: 'jwt' });
    await service.database.query(
      `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ('hmac', '{HS256}', $1)`,
      [seal(SECRET, hmacSecretPurpose('hmac'), service.sealingKeys)],
    );
    const outcome = (name: string): string => `im_signature_token_verifications_total{outcome="${name}"}`;
    const token = await tokenFor(secretKey(SECRET), 'alice');
    expect(await growth(outcome('verified'), () => ask('login/hmac/alice', token))).toBe(1);
    expect(await growth(outcome('cached'), () => ask('login/hmac/alice', token))).toBe(1);
    const forged = await tokenFor(secretKey('another secret that has 32 bytes or more'), 'alice');
    expect(await growth(outcome('refused'), () => ask('login/hmac/alice', forged))).toBe(1);
    await service.registerApp('remote', 'a-key-in-plain-sight', { identity: 'jwt' });
    await service.database.query(
      `INSERT INTO app_identity (app_id, algorithms, jwks_uri) VALUES ('remote', '{ES256}', $1)`,
      [`http://127.0.0.1:${await freePort()}/keys`],
    );
    const signed = await tokenFor(await makeKey('ES256'), 'alice');
    const fetches = 'im_signature_issuer_key_fetches_total{outcome="failed"}';
    expect(await growth(fetches, () => ask('login/remote/alice', signed))).toBe(1);
    expect(await value(outcome('failed'))).toBe(1);
  });

  it('says how many requests share a query, what the caches hold, and how the pool is used', async () => {
    const queries = 'im_signature_database_queries_total{statement="facts"}';
    const questions = 'im_signature_database_questions_total{statement="facts"}';
    const [queriesBefore, questionsBefore] = [await value(queries), await value(questions)];
    await Promise.all(Array.from({ length: 50 }, () => ask('login/1/alice')));
    expect((await value(questions)) - questionsBefore).toBe(50);
    expect((await value(queries)) - queriesBefore).toBeLessThanOrEqual(50);
    expect(await value('im_signature_cache_entries{cache="apps"}')).toBeGreaterThan(0);
    expect(await value('im_signature_cache_lookups_total{cache="apps",outcome="hit"}')).toBeGreaterThan(0);
    expect(await value('im_signature_database_connections{state="idle"}')).toBeGreaterThan(0);
    expect(await value('im_signature_database_connections_waiting')).toBe(0);
  });

  it('says whether the service is ready, drains or sheds', async () => {
    service.clock.advance(1_000);
    expect(await value('im_signature_ready')).toBe(1);
    service.server.state.draining = true;
    expect(await value('im_signature_ready')).toBe(0);
    expect(await value('im_signature_draining')).toBe(1);
    service.server.state.draining = false;
    service.server.state.shedding = true;
    expect(await value('im_signature_shedding')).toBe(1);
    service.server.state.shedding = false;
  });

  it('is not on the port of the clients, and the port of the metrics has nothing else', async () => {
    expect((await fetch(`${service.url}/metrics`)).status).toBe(404);
    expect((await fetch(new URL('/signature/login/1/alice', url))).status).toBe(404);
  });

  it('stops the start with one line where its port is in use', async () => {
    const program = run('src/main.js', {
      DATABASE_URL: service.database.url,
      SECRETS_KEY: service.sealingKeys.get('default')?.toString('base64') ?? '',
      PORT: '0',
      METRICS_PORT: new URL(url).port,
    });
    expect(await program.ends()).toBe(1);
    expect(program.output()).toMatch(
      /^im-signature did not start\. METRICS_PORT: cannot listen \(listen EADDRINUSE: .*\); choose another METRICS_PORT\n$/,
    );
  });
});

/** The metrics that a query names. */
function namesIn(expressions: readonly string[]): Set<string> {
  return new Set(expressions.flatMap((text) => text.match(/\b(?:im_signature|nodejs|process)_[a-z0-9_]+/g) ?? []));
}

const dashboard = readFileSync(join(DEPLOY, 'grafana/im-signature.json'), 'utf8');
const expressions = Array.from(
  dashboard.matchAll(/"(?:expr|query)": "((?:[^"\\]|\\.)*)"/g),
  ([, text]) => JSON.parse(`"${text ?? ''}"`) as string,
);

it.each([
  ['the dashboard', namesIn(expressions), 30],
  ['the alert rules', namesIn([readFileSync(RULES, 'utf8')]), 10],
])('every metric that %s names is printed', async (_, names, least) => {
  await ask('query/shadow/alice/unregistered');
  const printed = new Set(Array.from((await metrics()).matchAll(/^([a-z][a-z0-9_]*)/gm), ([, name]) => name));
  expect([...names].filter((name) => !printed.has(name))).toEqual([]);
  expect(names.size).toBeGreaterThan(least);
});

describe.runIf(isInstalled)('promtool', () => {
  function expectPromtool(args: readonly string[], input = ''): void {
    const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
  }

  it('accepts what is printed', async () => {
    expectPromtool(['check', 'metrics'], await metrics());
  });

  it('accepts the configuration and the alert rules, and their tests pass', () => {
    expectPromtool(['check', 'config', join(DEPLOY, 'prometheus/prometheus.yml')]);
    expectPromtool(['test', 'rules', join(DEPLOY, 'prometheus/rules.test.yml')]);
  });

  it('understands each query of the dashboard', () => {
    const queries = expressions.filter((text) => !/^(?:prometheus$|label_values)/.test(text));
    expect(queries.length).toBeGreaterThan(30);
    const rules = queries.map((text, i) => ({
      record: `query_${i}`,
      expr: text.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }));
    const folder = mkdtempSync(join(tmpdir(), 'im-signature-dashboard-'));
    const file = join(folder, 'rules.json');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    expectPromtool(['check', 'rules', '--lint=none', file]);
    rmSync(folder, { recursive: true });
  });
});

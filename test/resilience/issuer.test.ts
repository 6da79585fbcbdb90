import { readFile, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DEMO_MASTER_KEY } from '../../src/demo.js';
import {
  answers,
  type Issuer,
  type IssuerAnswer,
  type KeyPair,
  makeKey,
  startIssuer,
  tokenFor,
} from '../support/issuer.js';
import type { TestDatabase } from '../support/database.js';
import { type Program, run } from '../support/program.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';
import { makeDemoDatabase } from './demo-database.js';
import { underLoad } from './load.js';
import { SECRETS_KEY } from './postgres-server.js';
import { measured } from './table.js';

const LASTS = 4_000;
/** Milliseconds that any answer may take: REQUEST_TIMEOUT_MS, and as much again for slow machines. */
const ANY_ANSWER = 4_000;
/** Milliseconds that an answer of another app may take: no fetch that fails by its time-out is that short. */
const NOT_SLOWED = 1_000;
/** Milliseconds in which the issuer's app has to be well again: far more than is promised, for slow machines. */
const RECOVERY = 10_000;
/** Bytes that the service may grow by: what an issuer sends is more. */
const MAX_GROWTH = 64 * 2 ** 20;
/** Milliseconds between the requests of a client. */
const THINKING = 20;

/** Asks for its tokens by the demo app 3, which takes those of the issuer. */
class Client {
  readonly replies: { readonly outcome: string; readonly took: number; readonly endedAt: number }[] = [];
  private over = false;
  private readonly asked: Promise<void>;

  constructor(
    private readonly name: string,
    private readonly key: KeyPair,
  ) {
    this.asked = this.ask();
  }

  async stop(): Promise<void> {
    this.over = true;
    await this.asked;
  }

  outcomes(): string[] {
    return [...new Set(this.replies.map(({ outcome }) => outcome))].sort();
  }

  slowest(): number {
    return Math.max(...this.replies.map(({ took }) => took));
  }

  /** When it was first given a signature. */
  signedAt(): number {
    return this.replies.find(({ outcome }) => outcome === 'signed')?.endedAt ?? Infinity;
  }

  private async ask(): Promise<void> {
    while (!this.over) {
      // Another one each time: one that was verified before would not need the key.
      const token = await tokenFor(this.key, this.name, { jti: this.replies.length });
      const at = performance.now();
      const outcome = await this.outcomeOf(token).catch((error: unknown) => `lost: ${String(error)}`);
      const endedAt = performance.now();
      this.replies.push({ outcome, took: endedAt - at, endedAt });
      await sleep(THINKING);
    }
  }

  private async outcomeOf(token: string): Promise<string> {
    const headers = { authorization: `Bearer ${token}` };
    const body = (await (await fetch(`${url}/signature/login/3/${this.name}`, { headers })).json()) as Answer;
    if (body.signature === undefined) return String(body.code);
    return body.signature === hmac(messageOf(body), DEMO_MASTER_KEY) ? 'signed' : JSON.stringify(body);
  }
}

let database: TestDatabase;
let issuer: Issuer;
/** Publishes keys too, and must never be asked for them. */
let elsewhere: Issuer;
let known: KeyPair;
let elsewheres: KeyPair;
let service: Program;
let url: string;

beforeAll(async () => {
  [known, elsewheres] = await Promise.all([makeKey('ES256', 'known'), makeKey('ES256', 'known')]);
  [issuer, elsewhere] = await Promise.all([startIssuer(known), startIssuer(elsewheres)]);
  database = await makeDemoDatabase();
  await database.query(
    `UPDATE app_identity SET sealed_hmac_secret = NULL, algorithms = '{ES256}', jwks_uri = $1 WHERE app_id = '3'`,
    [issuer.url],
  );
  const env = { PORT: '0', DATABASE_URL: database.url, SECRETS_KEY, RATE_LIMIT_PER_MINUTE: '0' };
  service = run('src/main.js', env);
  [, url = ''] = await service.prints(/Ready on (http:[\w./:-]+)/);
  const client = new Client('first', known);
  await vi.waitUntil(() => client.signedAt() < Infinity, { timeout: RECOVERY });
  await client.stop();
});

afterAll(async () => {
  // The same process from the first fault to the last.
  expect(service.process.exitCode).toBeNull();
  expect(service.output()).not.toMatch(/unhandled/i);
  service.process.kill('SIGTERM');
  expect(await service.ends()).toBe(0);
  await Promise.all([database.drop(), issuer.close(), elsewhere.close()]);
});

/** From now on the kernel keeps the most memory that the service had. */
async function watchMemory(): Promise<() => Promise<number>> {
  const folder = `/proc/${service.process.pid ?? 0}`;
  const most = async () => 1024 * Number(/VmHWM:\s+(\d+)/.exec(await readFile(`${folder}/status`, 'utf8'))?.[1]);
  await writeFile(`${folder}/clear_refs`, '5');
  const before = await most();
  return async () => (await most()) - before;
}

const endless: IssuerAnswer = (response, keys) => {
  const body = function* () {
    yield keys;
    for (;;) yield ' '.repeat(65_536);
  };
  // The service hangs up, as it should.
  pipeline(Readable.from(body()), response).catch(() => undefined);
};

const leadTo =
  (location: () => string): IssuerAnswer =>
  (response) =>
    response.writeHead(302, { location: location() }).end();

/** 100 MB; made before there is any load. */
const bomb = gzipSync(Buffer.alloc(100_000_000, ' '));
const zipped: IssuerAnswer = (response) => response.setHeader('content-encoding', 'gzip').end(bomb);

describe.each<[fault: string, within: string, answer: IssuerAnswer]>([
  ['an issuer of tokens hangs', '4 s', answers.nothing],
  ['an issuer sends without end', 'a second', endless],
  ['an issuer sends 100 MB, zipped to 100 kB', 'a second', zipped],
  ['an issuer redirects in a circle', 'a second', leadTo(() => issuer.url)],
  ['an issuer redirects elsewhere', 'a second; nobody is asked there', leadTo(() => elsewhere.url)],
])('%s', (fault, within, answer) => {
  it(`tokens of new keys: 503, a fetch a second at most; known keys, other apps: as ever; well within ${within}`, async (context) => {
    const [added, foreign] = await Promise.all([makeKey('ES256', fault), makeKey('ES256', 'known')]);
    const growth = await watchMemory();
    const asked = issuer.requests.length;
    const clients = {} as Record<'known' | 'added' | 'foreign' | 'elsewheres', Client>;
    context.onTestFinished(async () => {
      await Promise.all(Object.values(clients).map((client) => client.stop()));
    });
    let mendedAt = Infinity;
    let fetches = 0;
    const figures = await underLoad(url, {
      fault() {
        issuer.answer(answer);
        for (const [name, key] of Object.entries({ known, added, foreign, elsewheres })) {
          clients[name as keyof typeof clients] = new Client(name, key);
        }
      },
      lasts: LASTS,
      mend() {
        fetches = issuer.requests.length - asked;
        issuer.publish(known, added);
        issuer.answer();
        mendedAt = performance.now();
      },
    });
    await vi.waitUntil(() => clients.added.signedAt() < Infinity, { timeout: RECOVERY });

    const grown = await growth();
    const refused = clients.added.replies.filter(({ outcome }) => outcome === 'unavailable');
    const seconds = (ms: number): string => (ms / 1000).toFixed(2);
    measured(
      context,
      `${refused.length} refused, the slowest after ${seconds(clients.added.slowest())} s, ${fetches} fetches in ${LASTS / 1000} s; ` +
        `known keys: ${clients.known.replies.length} right, slowest ${seconds(clients.known.slowest())} s; ` +
        `another app: ${figures.right} right, slowest ${seconds(figures.slowest)} s; +${(grown / 2 ** 20).toFixed(0)} MB; ` +
        `well ${seconds(clients.added.signedAt() - mendedAt)} s after it ends`,
    );
    expect(figures.wrong).toEqual([]);
    expect(figures.refused).toBe(0);
    expect(figures.slowest).toBeLessThan(NOT_SLOWED);
    expect(clients.known.outcomes()).toEqual(['signed']);
    expect(clients.known.slowest()).toBeLessThan(NOT_SLOWED);
    expect(clients.added.outcomes()).toEqual(['signed', 'unavailable']);
    expect(clients.added.slowest()).toBeLessThan(ANY_ANSWER);
    expect(clients.added.signedAt()).toBeGreaterThan(mendedAt);
    for (const stranger of [clients.foreign, clients.elsewheres]) expect(stranger.outcomes()).not.toContain('signed');
    expect(elsewhere.requests).toEqual([]);
    expect(fetches).toBeGreaterThan(0);
    expect(fetches).toBeLessThanOrEqual(LASTS / 1000 + 1);
    expect(grown).toBeLessThan(MAX_GROWTH);
  });
});

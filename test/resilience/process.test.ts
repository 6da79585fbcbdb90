import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, type TestContext, vi } from 'vitest';
import { DEMO_MASTER_KEY } from '../../src/demo.js';
import type { ProblemDetails } from '../../src/problems/problem-error.js';
import { inSeconds, tokenFor } from '../support/issuer.js';
import { type Program, runProgram } from '../support/program.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';
import { type Figures, outcomeOf, underLoad } from './load.js';
import { RawConnection } from './raw-connection.js';
import { type ServiceProcess, startProcess, TOKEN_KEY, TOKEN_SECRET } from './service-process.js';
import { measured } from './table.js';

const ANY_ANSWER = 10_000;
const RECOVERY = 10_000;
vi.setConfig({ testTimeout: 300_000 });

let service: ServiceProcess | undefined;

afterEach(async () => {
  await service?.end();
  service = undefined;
});

async function start(...options: Parameters<typeof startProcess>): Promise<ServiceProcess> {
  service = await startProcess(...options);
  return service;
}

const secondsText = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;

function expectKept(context: TestContext, figures: Figures): void {
  measured(context, `${figures.text}; well ${secondsText(figures.recoveredAfter)} after it`);
  expect(figures.wrong).toEqual([]);
  expect(figures.recoveredAfter).toBeLessThan(RECOVERY);
}

/** The library of Debian's package `faketime`, as its command gives it to programs. */
const FAKETIME = spawnSync('faketime', ['-m', '-f', '+0', 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' });
const hasFaketime = FAKETIME.status === 0;
if (!hasFaketime) process.stdout.write('faketime is not installed: the tests of clock steps are skipped\n');

describe.runIf(hasFaketime).each([
  ['forward', 3_600],
  ['back', -3_600],
])('the clock is set an hour %s, and after that right again', (_, step) => {
  it('tokens are judged, and answers stamped, by the new time at once; no change of the database counts later', async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'im-signature-clock-'));
    const file = join(folder, 'offset');
    const setClock = async (offset: number): Promise<void> => {
      // At once: a file that is half written would be another time.
      await writeFile(`${file}.new`, `${offset < 0 ? '' : '+'}${offset}`);
      await rename(`${file}.new`, file);
    };
    await setClock(0);
    const { url, database } = await start({
      LD_PRELOAD: FAKETIME.stdout.trim(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // Nobody can set that one.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    });
    const tokenOf = (from: number): Promise<string> =>
      tokenFor(TOKEN_KEY, 'alice', { nbf: inSeconds(from - 300), exp: inSeconds(from + 300) });
    const [tokenNow, tokenThen] = [await tokenOf(0), await tokenOf(step)];
    const [early, late] = ['identity_invalid', 'identity_expired'];
    const login = async (path: string, token?: string): Promise<{ code?: string } & Answer> => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await fetch(`${url}/signature/login/${path}?format=sdk`, { headers });
      return (await response.json()) as Answer;
    };
    let banned = 0;
    const expectTime = async (offset: number): Promise<void> => {
      const answer = await login('1/alice');
      expect(answer.signature).toBe(hmac(messageOf(answer), DEMO_MASTER_KEY));
      expect(Math.abs(Number(answer.timestamp) - Date.now() - 1_000 * offset)).toBeLessThan(60_000);
      const isNow = offset === 0;
      expect((await login('3/alice', tokenNow)).code).toBe(isNow ? undefined : step > 0 ? late : early);
      expect((await login('3/alice', tokenThen)).code).toBe(isNow ? (step > 0 ? early : late) : undefined);
      // What is committed counts for each request that is sent after it, or after a second.
      const clientId = `banned-${banned++}`;
      await database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('1', $1)`, [clientId]);
      expect((await login(`1/${clientId}`)).code).toBe('client_banned');
      for (const disabled of [true, false]) {
        await database.query(`UPDATE apps SET disabled = $1 WHERE app_id = '2'`, [disabled]);
        await sleep(1_000);
        expect((await login('2/alice')).code).toBe(disabled ? 'app_disabled' : undefined);
      }
    };
    const figures = await underLoad(url, {
      fault: async () => {
        await expectTime(0);
        await setClock(step);
        await expectTime(step);
      },
      lasts: 0,
      mend: async () => {
        await setClock(0);
        await expectTime(0);
      },
    });
    expectKept(context, figures);
    // Those under way when the clock leaps forward: their data may be as old as it says.
    expect(figures.refused).toBeLessThan(50);
    await rm(folder, { recursive: true });
  });
});

describe('the process is stopped for 3 s (SIGSTOP)', () => {
  it('what came meanwhile is answered, or 503, as it goes on; well at once', async (context) => {
    const { url, pid } = await start();
    const figures = await underLoad(url, {
      fault: () => process.kill(pid, 'SIGSTOP'),
      lasts: 3_000,
      mend: () => process.kill(pid, 'SIGCONT'),
    });
    expectKept(context, figures);
    expect(figures.slowest).toBeLessThan(3_000 + ANY_ANSWER);
  });
});

describe('a million distinct ids, and 60,000 clients from as many addresses, within 256 MB', () => {
  it('each has its answer; memory stays below 256 MB', async (context) => {
    // What Node takes for itself where a container may have 256 MB: half of it for the heap. The rest is for all else.
    const limited = await start({
      NODE_OPTIONS: '--max-old-space-size=128',
      TRUST_PROXY: '127.0.0.1',
      RATE_LIMIT_PER_ADDRESS_PER_MINUTE: '60',
    });
    const began = performance.now();
    const connections = await Promise.all(Array.from({ length: 32 }, () => RawConnection.open(limited.url)));
    const codes: Record<string, number> = {};
    const from = (i: number): string => `X-Forwarded-For: 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}\r\n`;
    /** Asks for so many, each connection for the next one. */
    const askAll = async (count: number, ask: (i: number, connection: RawConnection) => Promise<string>) => {
      let next = 0;
      const work = async (connection: RawConnection): Promise<void> => {
        while (next < count) {
          const i = next++;
          let outcome: string;
          do {
            outcome = await ask(i, connection);
            codes[outcome] = (codes[outcome] ?? 0) + 1;
          } while (outcome === 'unavailable');
        }
      };
      await Promise.all(connections.map(work));
    };
    await askAll(2_000, async (i, connection) => {
      const members = Array.from({ length: 500 }, (_, j) => `m-${1e6 + i * 500 + j}`).join(':');
      const answer = await connection.ask(`/signature/conversion/1/a/${members}`, from(i));
      const signed = JSON.parse(answer?.body ?? '{}') as Answer & ProblemDetails;
      if (answer?.status === 503) return signed.code;
      const isRight = signed.signature === hmac(messageOf(signed), DEMO_MASTER_KEY);
      return isRight && signed.sorted_member_ids === members ? 'right' : (answer?.body ?? 'lost');
    });
    await askAll(60_000, async (i, connection) => {
      const clientId = `client-${i}`;
      const headers = `Authorization: Bearer ${hs256(clientId)}\r\n${from(i)}`;
      const answer = await connection.ask(`/signature/login/3/${clientId}`, headers);
      return outcomeOf(clientId, answer?.status ?? 0, '1', answer?.body ?? '{}');
    });
    for (const { socket } of connections) socket.destroy();
    const most = await limited.memory('at most');
    const counts = Object.entries(codes).map(([outcome, count]) => `${count} ${outcome}`);
    measured(context, `${counts.join(', ')}, in ${secondsText(performance.now() - began)}; ${most} MB at most`);
    // Those refused were asked for again.
    const { unavailable, ...others } = codes;
    expect(others).toEqual({ right: 62_000 });
    expect(unavailable ?? 0).toBeLessThan(10_000);
    expect(most).toBeLessThan(256);
  });
});

const HEADER = encode({ alg: 'HS256' });
const EXPIRES = inSeconds(3_600);

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

/** A token for app 3. That of `jose` takes ten times as long. */
function hs256(sub: string): string {
  const signed = `${HEADER}.${encode({ sub, exp: EXPIRES })}`;
  return `${signed}.${createHmac('sha256', TOKEN_SECRET).update(signed).digest('base64url')}`;
}

/** Three times what the service can answer within the time for which it lets requests wait, on fast machines, too. */
const TOO_MANY = 3_000;
const hasWrk = spawnSync('wrk', ['-v']).error === undefined;
if (!hasWrk) process.stdout.write('wrk is not installed: the test of an overload is skipped\n');

describe.runIf(hasWrk)('three times the load that it can carry', () => {
  it('signatures come in time, the other requests get 503', async (context) => {
    const { url } = await start();
    const load = ['-t', '1', '-c', String(TOO_MANY), '-d', '60', '--timeout', '10', `${url}/signature/login/1/a`];
    let wrk: Program | undefined;
    const figures = await underLoad(url, {
      fault: () => (wrk = runProgram('wrk', load, {}, tmpdir())),
      // Node accepts one connection in each turn of its event loop: until all are there, seconds pass.
      lasts: 15_000,
      async mend() {
        wrk?.process.kill('SIGINT');
        await wrk?.ends();
      },
    });
    const [, perSecond = '0'] = /Requests\/sec: +(\d+)/.exec(wrk?.output() ?? '') ?? [];
    const [, refused = '0'] = /Non-2xx or 3xx responses: (\d+)/.exec(wrk?.output() ?? '') ?? [];
    measured(
      context,
      `${TOO_MANY} clients that ask again at once get ${perSecond} answers a second, ${refused} of them refusals; beside them ` +
        `${figures.text}; well ${secondsText(figures.recoveredAfter)} after it`,
    );
    expect(Number(perSecond)).toBeGreaterThan(0);
    expect(figures.wrong).toEqual([]);
    expect(figures.slowest).toBeLessThan(ANY_ANSWER);
    expect(figures.recoveredAfter).toBeLessThan(RECOVERY);
  });
});

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import type { ProblemDetails } from '../../src/problems/problem-error.js';
import type { Answer } from '../support/signature.js';
import { outcomeOf, underLoad } from './load.js';
import { BANNED } from './postgres-server.js';
import { expectProblem, type RawAnswer, RawConnection } from './raw-connection.js';
import { type ServiceProcess, startProcess } from './service-process.js';
import { measured } from './table.js';

/** Milliseconds that an answer to somebody else may take: far more than is promised, for slow machines that also play the attacker. */
const ANY_ANSWER = 10_000;
const RECOVERY = 10_000;
const LONG = { timeout: 60_000 };
vi.setConfig({ testTimeout: 300_000 });
const LOGIN = '/signature/login/1/';
/** Connections of one row come from an address of their own, so that none lacks a port. */
const ELSEWHERE = { localAddress: '127.0.0.2' };
const IDLE = 10_000;

/** Of this process and of the service: Node raises its limit as far as it may. */
const descriptors = Number(/^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
const isEnough = descriptors > 1.2 * IDLE;
if (!isEnough) process.stdout.write(`Only ${descriptors} descriptors: the test with ${IDLE} connections is skipped\n`);

let service: ServiceProcess;

beforeAll(async () => {
  // None of those that wait may be closed before all are there.
  service = await startProcess({ KEEP_ALIVE_TIMEOUT_MS: '600000' });
});

afterAll(() => service.end());

const nothing = (): void => undefined;

/**
 * Does something to the service while clients ask in a loop, and expects that these are served as ever, and that nothing of it is left.
 *
 * @param fault says what came of it.
 */
async function expectServed(context: TestContext, fault: () => Promise<string>): Promise<void> {
  const before = await service.descriptors();
  let text = '';
  const figures = await underLoad(service.url, {
    fault: async () => {
      text = await fault();
    },
    lasts: 0,
    mend: nothing,
  });
  measured(context, `${text}; the others ${figures.text}; ${await service.memory()} MB`);
  expect(figures.wrong).toEqual([]);
  // A machine that is slow enough refuses some for want of time.
  expect(figures.refused).toBeLessThan(figures.right);
  expect(figures.slowest).toBeLessThan(ANY_ANSWER);
  expect(figures.recoveredAfter).toBeLessThan(RECOVERY);
  // Those of the clients, and of the pool, come and go.
  await vi.waitUntil(async () => (await service.descriptors()) <= before + 20, LONG);
}

/** So many connections at once; each group waits for the one before, as the queue of those to be accepted is short. */
async function openMany(count: number, options = {}): Promise<RawConnection[]> {
  const connections: RawConnection[] = [];
  while (connections.length < count) {
    const group = Math.min(500, count - connections.length);
    const open = (): Promise<RawConnection> => RawConnection.open(service.url, options);
    connections.push(...(await Promise.all(Array.from({ length: group }, open))));
  }
  return connections;
}

const closed = async ({ socket }: RawConnection): Promise<void> => {
  if (!socket.closed) await once(socket, 'close');
};

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

describe.runIf(isEnough)('10,000 idle connections', () => {
  it('the others are served; 200 more that never send a byte are closed after 10 s', async (context) => {
    await expectServed(context, async () => {
      const began = performance.now();
      const idle: RawConnection[] = [];
      const openAndAsk = async (): Promise<void> => {
        const connection = await RawConnection.open(service.url, ELSEWHERE);
        ok('a')(await connection.ask(`${LOGIN}a`));
        idle.push(connection);
      };
      while (idle.length < IDLE) await Promise.all(Array.from({ length: 250 }, openAndAsk));
      expect(await service.descriptors()).toBeGreaterThan(IDLE);
      const text = `there after ${seconds(began)}, ${await service.memory()} MB`;
      const opened = performance.now();
      const silent = await openMany(200, ELSEWHERE);
      await Promise.all(silent.map(closed));
      for (const { socket } of idle) socket.destroy();
      return `${text}; the silent ones closed after ${seconds(opened)}`;
    });
  });
});

describe('slowloris: 200 connections that send a byte now and then', () => {
  it('each is answered 408 after 10 s, and closed', async (context) => {
    await expectServed(context, async () => {
      const began = performance.now();
      const slow = await openMany(200);
      const answers = slow.map((connection) => connection.answer());
      const head = Buffer.from(`GET ${LOGIN}a HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(1_000)}`);
      let sent = 0;
      const timer = setInterval(() => {
        for (const { socket } of slow) if (socket.writable) socket.write(head.subarray(sent, sent + 1));
        sent++;
      }, 200);
      for (const answer of await Promise.all(answers)) expectProblem(answer, 408, 'request_timeout');
      const answered = seconds(began);
      await Promise.all(slow.map(closed));
      clearInterval(timer);
      return `408 after ${answered}`;
    });
  });
});

describe('200 clients that pipeline 100 requests each', () => {
  it('each has all its answers, in order', async (context) => {
    await expectServed(context, async () => {
      const began = performance.now();
      const clients = await openMany(200);
      const asked = clients.flatMap((connection, i) =>
        Array.from({ length: 100 }, (_, j) => {
          const clientId = j % 10 === 9 ? BANNED : `client-${i}-${j}`;
          return { clientId, answer: connection.ask(LOGIN + clientId) };
        }),
      );
      const outcomes = { right: 0, unavailable: 0 };
      for (const { clientId, answer } of asked) {
        const { status, head, body } = (await answer) ?? { status: 0, head: '', body: '{}' };
        const retryAfter = /^retry-after: (\d+)/im.exec(head)?.[1] ?? null;
        const outcome = outcomeOf(clientId, status, retryAfter, body);
        expect(['right', 'unavailable']).toContain(outcome);
        outcomes[outcome as keyof typeof outcomes]++;
        // In order: signatures and refusals say whose they are.
        const { client_id, instance } = JSON.parse(body) as Answer & ProblemDetails;
        expect(client_id ?? instance.replace(LOGIN, '')).toBe(clientId);
      }
      for (const { socket } of clients) socket.destroy();
      return `${outcomes.right} right, ${outcomes.unavailable} refused, in ${seconds(began)}`;
    });
  });
});

describe('10 clients that ask on and on, and never read', () => {
  it('their requests are read no further, memory stays, and they are cut', async (context) => {
    await service.forgetPeak();
    const memory = await service.memory();
    await expectServed(context, async () => {
      const began = performance.now();
      const { hostname, port } = new URL(service.url);
      const requests = `GET ${LOGIN}a HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(100);
      const askOn = async (): Promise<number> => {
        const socket = connect({ host: hostname, port: Number(port) });
        const cut = new Promise((resolve) => socket.on('close', resolve));
        socket.on('error', () => socket.destroy());
        const write = (): void => {
          while (socket.writable && socket.write(requests));
        };
        socket.on('connect', write).on('drain', write);
        await cut;
        return socket.bytesWritten / requests.length;
      };
      const asked = await Promise.all(Array.from({ length: 10 }, askOn));
      const grown = (await service.memory('at most')) - memory;
      // 26 to 202 were seen, as the collector goes; 277 while all that was read began at once.
      expect(grown).toBeLessThan(250);
      const total = Math.round(asked.reduce((sum, each) => sum + each, 0) * 100);
      return `stopped after ${total} requests, cut after ${seconds(began)}, ${grown} MB more at most`;
    });
  });
});

const ok = (clientId: string) => (answer: RawAnswer | undefined) => {
  expect(['right', 'unavailable']).toContain(outcomeOf(clientId, answer?.status ?? 0, '1', answer?.body ?? '{}'));
};
const problem = (status: number, code: string) => (answer: RawAnswer | undefined) => {
  expectProblem(answer, status, code);
};
const lines = (count: number, line: string): string => `${line}\r\n`.repeat(count);
const KIB = 1024;

describe('bombs of headers and URLs', () => {
  it('what is within the limits is answered, and the rest is refused as it should be', async (context) => {
    const login = `GET ${LOGIN}a HTTP/1.1\r\nHost: a\r\n`;
    const withToken = `GET /signature/login/3/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer `;
    const bombs = [
      { bytes: `${login}X: ${'x'.repeat(100 * KIB)}\r\n\r\n`, expects: ok('a') },
      { bytes: `${login}${lines(900, 'X: y')}\r\n`, expects: ok('a') },
      { bytes: `${login}${lines(5_000, 'X: y')}\r\n`, expects: problem(414, 'uri_too_long') },
      { bytes: `${login}X: ${'x'.repeat(200 * KIB)}\r\n\r\n`, expects: problem(414, 'uri_too_long') },
      { bytes: `${login}${lines(20_000, 'X: 0123456789')}\r\n`, expects: problem(414, 'uri_too_long') },
      { bytes: `${login}${lines(500_000, `X: ${'x'.repeat(20)}`)}`, expects: problem(414, 'uri_too_long') },
      { bytes: `${login}${lines(900, 'Host: a')}\r\n`, expects: problem(400, 'malformed_url') },
      { bytes: `${withToken}${'x'.repeat(100 * KIB)}\r\n\r\n`, expects: problem(401, 'identity_invalid') },
      {
        bytes: `${withToken}x\r\n${lines(900, 'Authorization: Bearer x')}\r\n`,
        expects: problem(401, 'identity_invalid'),
      },
      {
        bytes: `GET ${LOGIN}${'x'.repeat(60 * KIB)} HTTP/1.1\r\nHost: a\r\n\r\n`,
        expects: problem(400, 'invalid_client_id'),
      },
      {
        bytes: `GET ${LOGIN}${'x'.repeat(64 * KIB)} HTTP/1.1\r\nHost: a\r\n\r\n`,
        expects: problem(414, 'uri_too_long'),
      },
      { bytes: `GET /?${'x'.repeat(64 * KIB)} HTTP/1.1\r\nHost: a\r\n\r\n`, expects: problem(414, 'uri_too_long') },
      { bytes: `GET /${'x'.repeat(10_000 * KIB)}`, expects: problem(414, 'uri_too_long') },
    ];
    await expectServed(context, async () => {
      const began = performance.now();
      for (let round = 0; round < 5; round++) {
        const connections = await openMany(4 * bombs.length);
        const exploded = connections.map(async (connection, i) => {
          const bomb = bombs[i % bombs.length];
          connection.socket.write(bomb?.bytes ?? '');
          const answer = await connection.answer();
          if (answer?.status !== 503) bomb?.expects(answer);
          connection.socket.destroy();
        });
        await Promise.all(exploded);
      }
      return `${20 * bombs.length} in ${seconds(began)}`;
    });
  });
});

describe('connections that are closed halfway', () => {
  it('a whole request has its answer, half a one is refused, and none of them stays', async (context) => {
    await expectServed(context, async () => {
      const began = performance.now();
      const login = `GET ${LOGIN}a HTTP/1.1\r\nHost: a\r\n`;
      // Their own side stays open until the service closes.
      const connections = await openMany(400, { allowHalfOpen: true });
      const ending = connections.map(async (connection, i) => {
        const { socket } = connection;
        const answer = connection.answer();
        if (i % 4 === 0) socket.end(`${login}\r\n`);
        else if (i % 4 === 1) socket.end(login);
        else if (i % 4 === 2) socket.end();
        else socket.write(`${login}\r\n`, () => socket.resetAndDestroy());
        const got = await answer;
        if (i % 4 === 0) ok('a')(got);
        else if (i % 4 === 1) expectProblem(got, 400, 'malformed_url');
        else expect(got).toBeUndefined();
        await closed(connection);
      });
      await Promise.all(ending);
      return `400, all gone after ${seconds(began)}`;
    });
  });
});

describe('random bytes, a TLS hello, and HTTP/2 on the port', () => {
  it('each is answered 400, and closed', async (context) => {
    const hello = Buffer.concat([Buffer.from('160301020001 0001fc0303'.replace(' ', ''), 'hex'), randomBytes(506)]);
    const http2 = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(9)]);
    await expectServed(context, async () => {
      const began = performance.now();
      for (let round = 0; round < 5; round++) {
        const sent = (await openMany(100)).map(async (connection, i) => {
          // A first byte that no method begins with: else the rest of the request would be waited for.
          const noise = Buffer.concat([Buffer.from([i + 128]), randomBytes(16 * (i + 1))]);
          connection.socket.write([noise, hello, http2][i % 3] ?? noise);
          expectProblem(await connection.answer(), 400, 'malformed_url');
          await closed(connection);
        });
        await Promise.all(sent);
      }
      return `500, all closed after ${seconds(began)}`;
    });
  });
});

describe('more connections than descriptors', () => {
  it('those beyond it are closed, those that are in have their answers; well once the others leave', async (context) => {
    const small = await startProcess({}, 'ulimit -n 640');
    const before = await small.descriptors();
    const open = Array.from({ length: 800 }, () => RawConnection.open(small.url).catch(() => undefined));
    const connections = (await Promise.all(open)).filter((connection) => connection !== undefined);
    // Of 640, the pool's 10 and 128 more are left to others.
    const isIn = ({ socket }: RawConnection): boolean => !socket.destroyed && !socket.readableEnded;
    await vi.waitUntil(() => connections.filter(isIn).length <= 502, LONG);
    const inside = connections.filter(isIn);
    const refused = await RawConnection.open(small.url);
    expect(await refused.ask(`${LOGIN}a`)).toBeUndefined();
    for (const answer of await Promise.all(inside.map((connection) => connection.ask(`${LOGIN}a`)))) ok('a')(answer);
    const left = performance.now();
    for (const { socket } of inside) socket.destroy();
    await vi.waitUntil(async () => (await small.descriptors()) < before + 100, LONG);
    const newcomer = await RawConnection.open(small.url);
    ok('a')(await newcomer.ask(`${LOGIN}a`));
    measured(context, `${inside.length} of 800 stay and are answered; well ${seconds(left)} after they leave`);
    expect(inside.length).toBeGreaterThan(400);
    newcomer.socket.destroy();
    await small.end();
  });
});

describe('no descriptor left', () => {
  it('new connections are closed, those that are in go on; well at once', async (context) => {
    const inside = await openMany(50);
    const askAll = async (): Promise<void> => {
      for (const answer of await Promise.all(inside.map((connection) => connection.ask(`${LOGIN}a`)))) ok('a')(answer);
    };
    await askAll();
    const limit = (soft: number) => spawnSync('prlimit', ['--pid', String(service.pid), `--nofile=${soft}:`]).status;
    const used = new Set((await readdir(`/proc/${service.pid}/fd`)).map(Number));
    let lowest = 0;
    while (used.has(lowest)) lowest++;
    expect(limit(lowest)).toBe(0);
    const others = await openMany(100);
    const refusals = Promise.all(others.map((connection) => connection.ask(`${LOGIN}a`)));
    for (let round = 0; round < 20; round++) await askAll();
    const refused = (await refusals).filter((answer) => answer === undefined).length;
    expect(limit(descriptors)).toBe(0);
    const well = performance.now();
    const newcomer = await RawConnection.open(service.url);
    ok('a')(await newcomer.ask(`${LOGIN}a`));
    measured(context, `${refused} of 100 new ones closed, 1,000 answers to 50 others; well ${seconds(well)} after it`);
    expect(refused).toBeGreaterThan(50);
    for (const { socket } of [...inside, ...others, newcomer]) socket.destroy();
  });
});

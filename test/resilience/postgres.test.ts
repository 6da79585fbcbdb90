import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { type Program, run } from '../support/program.js';
import { proxyTo, type TcpProxy } from '../support/tcp-proxy.js';
import { type Figures, underLoad } from './load.js';
import { PostgresServer, SECRETS_KEY } from './postgres-server.js';
import { measured } from './table.js';

/** Milliseconds in which the service has to be well again: far more than is promised, for slow machines. */
const RECOVERY = 10_000;
/** Milliseconds that any answer may take: REQUEST_TIMEOUT_MS, and as much again for slow machines. */
const ANY_ANSWER = 4_000;
const MAX_CONNECTIONS = 20;

let postgres: PostgresServer;
let network: TcpProxy;
let service: Program;
let url: string;

beforeAll(async () => {
  postgres = await PostgresServer.make(`max_connections=${MAX_CONNECTIONS}`, 'max_wal_senders=0');
  network = await proxyTo(postgres.url);
  const proxied = Object.assign(new URL(postgres.url), { port: network.port });
  service = run('src/main.js', { PORT: '0', DATABASE_URL: proxied.href, SECRETS_KEY });
  [, url = ''] = await service.prints(/Ready on (http:[\w./:-]+)/);
});

afterAll(async () => {
  // The same process from the first fault to the last.
  expect(service.process.exitCode).toBeNull();
  expect(service.output()).not.toMatch(/unhandled/i);
  service.process.kill('SIGTERM');
  expect(await service.ends()).toBe(0);
  await network.close();
  await postgres.remove();
});

/** What holds in every fault: nothing wrong is signed or refused, everything is answered, and it ends by itself. */
function expectKept(context: TestContext, figures: Figures): void {
  const recovery = `well ${(figures.recoveredAfter / 1000).toFixed(2)} s after it ends`;
  measured(context, `${figures.text}; ${recovery}`);
  expect(figures.wrong).toEqual([]);
  expect(figures.slowest).toBeLessThan(ANY_ANSWER);
  expect(figures.recoveredAfter).toBeLessThan(RECOVERY);
}

const nothing = (): void => undefined;

describe('PostgreSQL stopped, started again', () => {
  it('503, at once; well a tenth of a second after PostgreSQL', async (context) => {
    const figures = await underLoad(url, { fault: () => postgres.stop(), lasts: 3_000, mend: () => postgres.start() });
    expectKept(context, figures);
    expect(figures.refused).toBeGreaterThan(0);
  });
});

describe('PostgreSQL crashed, started again', () => {
  it('503, at once; well a tenth of a second after PostgreSQL', async (context) => {
    const figures = await underLoad(url, {
      fault: () => postgres.stop('SIGQUIT'),
      lasts: 3_000,
      mend: () => postgres.start(),
    });
    expectKept(context, figures);
    expect(figures.refused).toBeGreaterThan(0);
  });
});

describe('PostgreSQL restarted', () => {
  it('503, at once, while it is away; well a tenth of a second after it', async (context) => {
    const figures = await underLoad(url, { fault: () => postgres.stop(), lasts: 0, mend: () => postgres.start() });
    expectKept(context, figures);
  });
});

describe('PostgreSQL ends all connections', () => {
  it('no refusal: a query is asked once more on a new connection', async (context) => {
    const figures = await underLoad(url, {
      fault: async () => {
        for (let i = 0; i < 5; i++) {
          await postgres.query(`
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'im-signature'`);
          await sleep(300);
        }
      },
      lasts: 0,
      mend: nothing,
    });
    expectKept(context, figures);
    expect(figures.refused).toBe(0);
  });
});

describe('PostgreSQL hangs (SIGSTOP)', () => {
  it('503, those under way after a second, then at once; well within a second', async (context) => {
    const figures = await underLoad(url, { fault: () => postgres.freeze(), lasts: 6_000, mend: () => postgres.thaw() });
    expectKept(context, figures);
    expect(figures.refused).toBeGreaterThan(0);
  });
});

describe('PostgreSQL refuses connections', () => {
  it('503, at once; well a tenth of a second after it', async (context) => {
    const figures = await underLoad(url, {
      fault: () => network.refuse(),
      lasts: 3_000,
      mend: () => network.acceptAgain(),
    });
    expectKept(context, figures);
    expect(figures.refused).toBeGreaterThan(0);
  });
});

describe('PostgreSQL has no connection left', () => {
  it('503, at once; well a tenth of a second after one is free', async (context) => {
    const others: Client[] = [];
    const occupy = async (): Promise<boolean> => {
      const other = new Client({ connectionString: postgres.url });
      other.on('error', nothing);
      try {
        await other.connect();
        others.push(other);
        return true;
      } catch {
        return false;
      }
    };
    const figures = await underLoad(url, {
      fault: async () => {
        await postgres.query(`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'im-signature'`);
        // Those that the service gets meanwhile are ended, too.
        await network.refuse();
        while (await occupy()) continue;
        await network.acceptAgain();
        while (await occupy()) continue;
      },
      lasts: 3_000,
      mend: () => Promise.all(others.map((other) => other.end())),
    });
    expectKept(context, figures);
    expect(others.length).toBeGreaterThan(MAX_CONNECTIONS / 2);
    expect(figures.refused).toBeGreaterThan(0);
  });
});

describe('each query takes 200 ms', () => {
  it('no refusal', async (context) => {
    const figures = await underLoad(url, {
      fault: () => {
        network.delay(200);
      },
      lasts: 5_000,
      mend: () => {
        network.delay(0);
      },
    });
    expectKept(context, figures);
    expect(figures.refused).toBe(0);
  });
});

describe('each query takes 1.5 s', () => {
  it('503, those under way after a second, then at once; well within a second', async (context) => {
    const figures = await underLoad(url, {
      fault: () => {
        network.delay(1_500);
      },
      lasts: 6_000,
      mend: () => {
        network.delay(0);
      },
    });
    expectKept(context, figures);
    expect(figures.refused).toBeGreaterThan(0);
  });
});

describe.each([
  ['the network to PostgreSQL drops everything', undefined],
  ['the network drops what goes to PostgreSQL', 'server'],
  ['the network drops what PostgreSQL answers', 'client'],
] as const)('%s', (_, to) => {
  it('503, those under way after a second, then at once; well within a second', async (context) => {
    const figures = await underLoad(url, {
      fault: () => {
        network.stopForwarding(to === undefined ? {} : { to });
      },
      lasts: 6_000,
      mend: () => {
        network.forwardAgain();
      },
    });
    expectKept(context, figures);
    expect(figures.refused).toBeGreaterThan(0);
  });
});

describe('all connections die silently, new ones work', () => {
  it('503 for those under way after a second; then well', async (context) => {
    const figures = await underLoad(url, {
      fault: () => {
        network.stopForwarding({ newConnections: false });
      },
      lasts: 3_000,
      mend: () => {
        network.forwardAgain();
      },
    });
    expectKept(context, figures);
    expect(figures.right).toBeGreaterThan(0);
  });
});

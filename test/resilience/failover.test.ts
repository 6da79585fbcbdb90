import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { type Program, run } from '../support/program.js';
import { proxyTo, type TcpProxy } from '../support/tcp-proxy.js';
import { type Figures, underLoad } from './load.js';
import { PostgresServer, SECRETS_KEY } from './postgres-server.js';
import { measured } from './table.js';

const RECOVERY = 10_000;

let primary: PostgresServer;
let standby: PostgresServer;
/** The one address that the service knows. */
let network: TcpProxy;
let service: Program;
let url: string;

beforeEach(async () => {
  primary = await PostgresServer.make();
  standby = await primary.makeStandby();
  network = await proxyTo(primary.url);
  const proxied = Object.assign(new URL(primary.url), { port: network.port });
  service = run('src/main.js', { PORT: '0', DATABASE_URL: proxied.href, SECRETS_KEY });
  [, url = ''] = await service.prints(/Ready on (http:[\w./:-]+)/);
});

afterEach(async () => {
  expect(service.process.exitCode).toBeNull();
  service.process.kill('SIGTERM');
  expect(await service.ends()).toBe(0);
  await network.close();
  await Promise.all([primary.remove(), standby.remove()]);
});

const login = async (clientId: string): Promise<number> => (await fetch(`${url}/signature/login/1/${clientId}`)).status;

async function promote(): Promise<void> {
  await standby.query('SELECT pg_promote()');
}

function expectKept(context: TestContext, figures: Figures): void {
  measured(context, `${figures.text}; well ${(figures.recoveredAfter / 1000).toFixed(2)} s after the switch`);
  expect(figures.wrong).toEqual([]);
  expect(figures.recoveredAfter).toBeLessThan(RECOVERY);
}

describe('failover: the primary dies, its standby is promoted, and its address leads there', () => {
  it('503 until then; well within a second, by the rows of the new primary', async (context) => {
    const figures = await underLoad(url, {
      fault: () => primary.stop('SIGQUIT'),
      lasts: 2_000,
      mend: async () => {
        await promote();
        await standby.ban('banned-after');
        network.leadTo(standby.url);
      },
    });
    expectKept(context, figures);
    expect(figures.refused).toBeGreaterThan(0);
    expect(await login('banned-after')).toBe(403);
  });
});

describe('failover: the address leads to the standby before it is promoted', () => {
  it('503 while it is in recovery; well a tenth of a second after it is promoted', async (context) => {
    await primary.query('SELECT pg_current_wal_lsn()');
    const figures = await underLoad(url, {
      fault: () => {
        network.leadTo(standby.url);
      },
      lasts: 2_000,
      mend: promote,
    });
    expectKept(context, figures);
    expect(figures.refused).toBeGreaterThan(0);
    expect(service.output()).toContain('PostgreSQL is in recovery, a standby');
    await standby.ban('banned-after');
    expect(await login('banned-after')).toBe(403);
  });
});

describe('switchover: the standby is promoted beside the primary, and the address leads there', () => {
  it('hardly a refusal: queries under way are asked once more', async (context) => {
    const figures = await underLoad(url, {
      fault: async () => {
        await promote();
        await standby.ban('banned-after');
        network.leadTo(standby.url);
      },
      lasts: 0,
      mend: () => undefined,
    });
    expectKept(context, figures);
    expect(await login('banned-after')).toBe(403);
  });
});

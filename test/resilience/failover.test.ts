import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { type Program, run } from '../support/program.js';
import { proxyTo, type TcpProxy } from '../support/tcp-proxy.js';
import { type Figures, underLoad } from './load.js';
import { PostgresServer, SECRETS_KEY } from './postgres-server.js';
import { measured } from './table.js';

const RECOVERY = 10_000;
/** Loaded before the service: the name postgres.test has the address that a file holds, whenever it is looked up. */
const CHANGING_NAME = `
  import dns from 'node:dns';
  import { readFileSync } from 'node:fs';
  const { lookup } = dns;
  dns.lookup = (name, ...rest) =>
    lookup(name === 'postgres.test' ? readFileSync(process.env.ADDRESS_FILE, 'utf8') : name, ...rest);`;

let primary: PostgresServer;
let standby: PostgresServer;
/** The address that the service knows. */
let network: TcpProxy;
let service: Program;
let url: string;

async function start(databaseUrl: string, env: Record<string, string> = {}): Promise<void> {
  service = run('src/main.js', { PORT: '0', DATABASE_URL: databaseUrl, SECRETS_KEY, ...env });
  [, url = ''] = await service.prints(/Ready on (http:[\w./:-]+)/);
}

const startBehind = ({ port }: TcpProxy): Promise<void> => start(Object.assign(new URL(primary.url), { port }).href);

beforeEach(async () => {
  primary = await PostgresServer.make();
  standby = await primary.makeStandby();
  network = await proxyTo(primary.url);
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
    await startBehind(network);
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
    await startBehind(network);
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
    await startBehind(network);
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

describe('failover: the primary dies, its standby is promoted, and the name in DATABASE_URL gets another address', () => {
  it('503 until then; well within a second', async (context) => {
    // The same port at another address of this machine.
    const elsewhere = await proxyTo(standby.url, { host: '127.0.0.2', port: network.port });
    const file = join(await mkdtemp(join(tmpdir(), 'im-signature-name-')), 'address');
    await writeFile(file, '127.0.0.1');
    const named = Object.assign(new URL(primary.url), { hostname: 'postgres.test', port: network.port }).href;
    await start(named, {
      ADDRESS_FILE: file,
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(CHANGING_NAME)}`,
    });
    const figures = await underLoad(url, {
      fault: async () => {
        await primary.stop('SIGQUIT');
        await network.refuse();
      },
      lasts: 2_000,
      mend: async () => {
        await promote();
        await standby.ban('banned-after');
        await writeFile(file, '127.0.0.2');
      },
    });
    expectKept(context, figures);
    expect(figures.refused).toBeGreaterThan(0);
    expect(await login('banned-after')).toBe(403);
    await network.acceptAgain();
    await elsewhere.close();
    await rm(dirname(file), { recursive: true });
  });
});

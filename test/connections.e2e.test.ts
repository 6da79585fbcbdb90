import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { sendBytes } from './support/raw-request.js';
import { startService, type TestService } from './support/service.js';

let service: TestService;

beforeAll(async () => {
  service = await startService();
});

afterAll(async () => {
  await service.close();
});

describe('a request that is none', () => {
  it.each(['x\r\n\r\n', `GET /${'b'.repeat(200_000)}`])(
    'has its connection closed, though the client would keep it (%#)',
    async (bytes) => {
      const { hostname, port } = new URL(service.url);
      const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
      socket.write(bytes);
      socket.resume();
      await once(socket, 'end');
      expect(service.server.sockets.size).toBe(1);
      await vi.waitUntil(() => service.server.sockets.size === 0, { timeout: 30_000 });
      socket.destroy();
    },
  );
});

const LOGIN = 'GET /signature/login/1/a HTTP/1.1\r\nHost: test\r\n\r\n';

/** The statuses of the answers on one connection. */
function statusesIn(text: string): number[] {
  return Array.from(text.matchAll(/^HTTP\/1\.1 (\d+) /gm), ([, status]) => Number(status));
}

describe('on one connection', () => {
  it('what follows good requests and is none is refused after their answers', async () => {
    const text = await sendBytes(service.url, `${LOGIN}${LOGIN}garbage\r\n\r\n`);
    expect(statusesIn(text.replaceAll('}HTTP', '}\nHTTP'))).toEqual([200, 200, 400]);
  });

  it('requests that do not wait for the answers before them are begun one after the other', async () => {
    const { state } = service.server;
    await service.database.query('BEGIN');
    await service.database.query('LOCK TABLE client_bans IN ACCESS EXCLUSIVE MODE');
    const answers = sendBytes(service.url, LOGIN.repeat(20), LOGIN.replace('\r\n', '\r\nConnection: close\r\n'));
    await vi.waitUntil(() => state.underWay > 0);
    // Once this is answered, what came before it has been read.
    await sendBytes(service.url, 'GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
    expect(state.underWay).toBe(1);
    await service.database.query('ROLLBACK');
    expect(statusesIn((await answers).replaceAll('}HTTP', '}\nHTTP'))).toEqual(Array(21).fill(200));
  });

  it('a client that closes its side after its last request has all its answers', async () => {
    const { hostname, port } = new URL(service.url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.end(LOGIN + LOGIN);
    await once(socket, 'close');
    expect(statusesIn(text.replaceAll('}HTTP', '}\nHTTP'))).toEqual([200, 200]);
  });
});

describe('a connection without a whole request', () => {
  beforeAll(() => {
    service.server.headersTimeout = 1;
    service.server.requestTimeout = 1;
  });

  afterAll(() => {
    service.server.headersTimeout = service.server.requestTimeout = 10_000;
  });

  it.each(['G', 'GET / HTTP/1.1\r\nHost: test\r\n'])(
    'is refused with 408 when the head does not come: %j',
    async (part) => {
      const text = await sendBytes(service.url, part);
      const [head = '', body = ''] = text.split('\r\n\r\n');
      expect(head).toMatch(/^HTTP\/1\.1 408 Request Timeout$/m);
      expect(JSON.parse(body)).toMatchObject({ status: 408, code: 'request_timeout' });
    },
  );

  it('is closed without a word when nothing was sent: browsers connect in advance', async () => {
    expect(await sendBytes(service.url)).toBe('');
  });
});

describe('near the bound of connections', () => {
  /** Asks on a connection of its own that is kept if the service keeps it. */
  const asks = () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    return {
      agent,
      ask: async () => {
        const [response] = (await once(get(`${service.url}/`, { agent }), 'response')) as [IncomingMessage];
        response.resume();
        await once(response, 'end');
        return response.headers.connection;
      },
    };
  };
  let bound: number;

  beforeAll(async () => {
    await vi.waitUntil(() => service.server.sockets.size === 0, { timeout: 30_000 });
    bound = service.server.maxConnections;
  });

  afterEach(() => {
    service.server.maxConnections = bound;
  });

  it('those beyond it are closed, and those that are there go on', async () => {
    const { agent, ask } = asks();
    expect(await ask()).toBe('keep-alive');
    service.server.maxConnections = 1;
    expect(await sendBytes(service.url, LOGIN)).toBe('');
    expect(await ask()).toBe('close');
    agent.destroy();
  });

  it('each answer closes its connection, so that those that wait do not keep new clients out', async () => {
    service.server.maxConnections = 2;
    const [first, second] = [asks(), asks()];
    expect(await first.ask()).toBe('keep-alive');
    for (let i = 0; i < 3; i++) {
      expect(await second.ask()).toBe('close');
      await vi.waitUntil(() => service.server.sockets.size === 1, { timeout: 30_000 });
    }
    expect(await first.ask()).toBe('keep-alive');
    first.agent.destroy();
  });
});

it('the bound leaves descriptors for PostgreSQL', async () => {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const descriptors = Number(/^Max open files +(\d+)/m.exec(limits)?.[1]);
  expect(service.server.maxConnections).toBeLessThan(descriptors - 100);
});

it('a request that comes while the service closes is answered like any other, and its connection closed', async () => {
  const closing = await startService();
  const { hostname, port } = new URL(closing.url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  // With the first answer, the beginning of the second request has come, too: the connection is not idle.
  socket.write('GET / HTTP/1.1\r\nHost: test\r\n\r\nGET /nothing HTTP/1.1\r\n');
  await once(socket, 'data');
  const closed = closing.close();
  const isRefused = () =>
    fetch(closing.url).then(
      () => false,
      () => true,
    );
  await vi.waitUntil(isRefused, { timeout: 30_000 });
  text = '';
  socket.write('Host: test\r\n\r\n');
  await once(socket, 'close');
  const [head = '', body = ''] = text.split('\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1\.1 404 /);
  expect(head).toMatch(/^connection: close$/im);
  expect(JSON.parse(body)).toMatchObject({
    code: 'route_not_found',
    request_id: /^x-request-id: (.*)$/im.exec(head)?.[1],
  });
  await closed;
});

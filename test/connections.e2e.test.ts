import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
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
      expect(await service.connections()).toBe(1);
      await vi.waitUntil(async () => (await service.connections()) === 0, { timeout: 30_000 });
      socket.destroy();
    },
  );
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

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

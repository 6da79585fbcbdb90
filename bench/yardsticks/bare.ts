import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerTo } from './answer.js';

const server = createServer((request, response) => {
  const body = JSON.stringify(answerTo(request.url ?? ''));
  response.writeHead(200, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  response.end(body);
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`Ready on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});

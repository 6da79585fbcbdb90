import type { AddressInfo } from 'node:net';
import express from 'express';
import { answerTo } from './answer.js';

const app = express();
app.get('/signature/login/:app_id/:client_id', (request, response) => {
  response.set('Cache-Control', 'no-store').json(answerTo(request.url));
});
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`Ready on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});

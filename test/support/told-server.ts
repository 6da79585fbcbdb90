import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A whole answer, or what to do instead of giving one. */
export type Told =
  { status: number; headers?: Record<string, string>; body?: unknown } | ((answer: ServerResponse) => void);

export interface ToldServer {
  readonly url: string;
  /** What has been asked, and when, by `performance.now()`. */
  readonly requests: { url: string; headers: IncomingHttpHeaders; at: number }[];
}

export const SIGNATURE = {
  signature: 'ced0f3849075ff4370155e9d797a48f20e672f2c',
  timestamp: 1795419134251,
  nonce: '6SsDAr3k',
};
export const SIGNED: Told = { status: 200, body: { app_id: 'shop', ...SIGNATURE } };

/** Instead of an answer. */
export const cutOff = (answer: ServerResponse): void => void answer.destroy();
export const neverEnd = (): void => undefined;
export const stall = (answer: ServerResponse): void => void answer.writeHead(200).write('{"signature":');
export const cutOffInBody = (answer: ServerResponse): void =>
  void answer.writeHead(200, { 'content-length': '100' }).write('{', () => answer.destroy());

export function refused(status: number, code: string, headers: Record<string, string> = {}, detail = 'Because.'): Told {
  return { status, headers, body: { status, code, detail, request_id: 'e4d14788' } };
}

/** A server for one test that answers its requests as told, one after the other, and the last answer from then on. */
export async function startToldServer(...told: Told[]): Promise<ToldServer> {
  const requests: ToldServer['requests'] = [];
  const server = createServer({ maxHeaderSize: 128 * 1024 }, ({ url = '', headers }, answer) => {
    requests.push({ url, headers, at: performance.now() });
    const next = told[Math.min(requests.length, told.length) - 1] ?? SIGNED;
    if (typeof next === 'function') {
      next(answer);
      return;
    }
    const { status, body } = next;
    answer.writeHead(status, { 'content-type': 'application/json', ...next.headers });
    answer.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

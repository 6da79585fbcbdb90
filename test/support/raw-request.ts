import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends a GET whose target is exactly these bytes, which an HTTP client would mend or refuse, and reads the answer. */
export async function rawRequest(
  base: string,
  target: Uint8Array | string,
  { method = 'GET', headers = [] as string[] } = {},
): Promise<{ status: number; head: string; body: string }> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // The server may refuse and close before all is sent.
  socket.on('error', () => socket.destroy());
  socket.write(`${method} `);
  socket.write(target);
  socket.write([' HTTP/1.1', 'Host: test', 'Connection: close', ...headers, '', ''].join('\r\n'));
  await once(socket, 'close');
  const [head = '', body = ''] = Buffer.concat(chunks).toString('utf8').split('\r\n\r\n', 2);
  return { status: Number(head.split(' ')[1]), head, body };
}

import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends exactly these bytes, which an HTTP client would mend or refuse, and reads what comes until the connection closes. */
export async function sendBytes(base: string, ...parts: (Uint8Array | string)[]): Promise<string> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // The server may refuse and close before all is sent.
  socket.on('error', () => socket.destroy());
  for (const part of parts) socket.write(part);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('utf8');
}

/** Sends a GET with exactly this target. */
export async function rawRequest(
  base: string,
  target: Uint8Array | string,
  { method = 'GET', version = '1.1', headers = [] as string[], host = ['Host: test'] } = {},
): Promise<{ status: number; head: string; body: string }> {
  const lines = [` HTTP/${version}`, ...host, 'Connection: close', ...headers, '', ''];
  const text = await sendBytes(base, `${method} `, target, lines.join('\r\n'));
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  return { status: Number(head.split(' ')[1]), head, body };
}

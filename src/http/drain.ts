import { once } from 'node:events';
import { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from '../config/settings.js';
import type { SignatureServer } from './server.js';

/**
 * Milliseconds for which a connection has to be silent before it is closed. Whoever asks again and again asks within them, and its
 * answer says that the connection closes; closed at once, one in three would lose a request that is on its way.
 */
const SILENCE_MS = 1_000;

/**
 * Ends what a server does: it answers on for the delay, stops listening, and lets requests finish until the time-out.
 *
 * @returns how many connections were cut at the time-out.
 */
export async function drain(
  server: SignatureServer,
  { shutdownDelay, shutdownTimeout }: Pick<Settings, 'shutdownDelay' | 'shutdownTimeout'>,
): Promise<number> {
  server.state.draining = true;
  if (!server.listening) return 0;
  await sleep(shutdownDelay);
  const closed = once(server, 'close');
  // That of HTTP would close idle connections at once, and stop the time-outs of the others.
  Server.prototype.close.call(server);
  let cut = 0;
  const timers = [
    setTimeout(() => {
      server.closeIdleConnections();
      for (const socket of server.sockets) if (socket.bytesRead === 0) socket.destroy();
    }, SILENCE_MS),
    setTimeout(() => {
      cut = server.sockets.size;
      for (const socket of server.sockets) socket.destroy();
    }, shutdownTimeout),
  ];
  await closed;
  for (const timer of timers) clearTimeout(timer);
  return cut;
}

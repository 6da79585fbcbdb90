import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A stretch of network that can fail as networks do: the connections stay, and nothing comes through. */
export interface TcpProxy {
  readonly port: number;
  /** From now on nothing is forwarded, on the connections there are and, unless told otherwise, on new ones. */
  stopForwarding(options?: { newConnections: boolean }): void;
  /** Connections on which something was swallowed end, as TCP cannot go on without it. */
  forwardAgain(): void;
  /** Ends the connections there are; new ones lead to this URL from now on. */
  leadTo(url: string): void;
  close(): Promise<void>;
}

/** @param url whose host and port the proxy leads to. */
export async function proxyTo(url: string): Promise<TcpProxy> {
  let target = new URL(url);
  const sockets = new Set<Socket>();
  let swallowNew = false;
  const forward = (client: Socket): void => {
    const server = connect(Number(target.port || 5432), target.hostname);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      if (swallowNew) from.unpipe().pause();
    }
  };
  const listener = createServer(forward).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    stopForwarding({ newConnections } = { newConnections: true }) {
      swallowNew = newConnections;
      for (const socket of sockets) socket.unpipe().pause();
    },
    forwardAgain() {
      swallowNew = false;
      for (const socket of sockets) if (socket.isPaused()) socket.destroy();
    },
    leadTo(next) {
      target = new URL(next);
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

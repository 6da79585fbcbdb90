import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';

type Direction = 'server' | 'client';

/** A stretch of network that can fail as networks do: the connections stay, and nothing comes through. */
export interface TcpProxy {
  readonly port: number;
  /**
   * From now on nothing is forwarded, on the connections there are and, unless told otherwise, on new ones; with a direction, nothing
   * that goes there.
   */
  stopForwarding(options?: { newConnections?: boolean; to?: Direction }): void;
  /** Connections on which something was swallowed end, as TCP cannot go on without it. */
  forwardAgain(): void;
  /** What comes back is held up by so many milliseconds from now on. */
  delay(milliseconds: number): void;
  /** Ends the connections there are, and refuses new ones. */
  refuse(): Promise<void>;
  /** Takes connections again, on the same port. */
  acceptAgain(): Promise<void>;
  /** Ends the connections there are; new ones lead to this URL from now on. */
  leadTo(url: string): void;
  close(): Promise<void>;
}

/** @param url whose host and port the proxy leads to. @param address where it listens; without one, at any free port. */
export async function proxyTo(url: string, address = { host: '127.0.0.1', port: 0 }): Promise<TcpProxy> {
  let target = new URL(url);
  let delayed = 0;
  /** Each with where it is read to. */
  const sockets = new Map<Socket, Direction>();
  const swallowed = new Set<Direction>();
  const forward = (client: Socket): void => {
    const server = connect(Number(target.port || 5432), target.hostname);
    const late = new Transform({
      transform(bytes, _encoding, done) {
        const pass = (): void => {
          done(null, bytes);
        };
        if (delayed === 0) pass();
        else setTimeout(pass, delayed);
      },
    });
    client.pipe(server);
    server.pipe(late).pipe(client);
    for (const [from, other, to] of [
      [client, server, 'server'],
      [server, client, 'client'],
    ] as const) {
      sockets.set(from, to);
      from.on('error', () => other.destroy());
      from.on('close', () => {
        sockets.delete(from);
        other.destroy();
      });
      if (swallowed.has(to)) from.unpipe().pause();
    }
  };
  const listener = createServer(forward).listen(address.port, address.host);
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets.keys()) socket.destroy();
  };
  return {
    port,
    stopForwarding({ newConnections = true, to } = {}) {
      const directions = new Set<Direction>(to === undefined ? ['server', 'client'] : [to]);
      for (const direction of directions) if (newConnections) swallowed.add(direction);
      for (const [socket, direction] of sockets) if (directions.has(direction)) socket.unpipe().pause();
    },
    forwardAgain() {
      swallowed.clear();
      for (const socket of sockets.keys()) if (socket.isPaused()) socket.destroy();
    },
    delay(milliseconds) {
      delayed = milliseconds;
    },
    async refuse() {
      listener.close();
      cut();
      await once(listener, 'close');
    },
    async acceptAgain() {
      listener.listen(port, address.host);
      await once(listener, 'listening');
    },
    leadTo(next) {
      target = new URL(next);
      cut();
    },
    async close() {
      cut();
      listener.close();
      await once(listener, 'close');
    },
  };
}

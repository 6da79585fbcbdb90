import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A stretch of network that can fail as networks do: the connections stay, and nothing comes through. */
export interface TcpProxy {
  readonly port: number;
  /** From now on nothing is forwarded, on the connections there are and, unless told otherwise, on new ones. */
  stopForwarding(options?: { newConnections: boolean }): void;
  /** From now on nothing is forwarded on the connections there are over which the client has sent this. Returns how many those are. */
  stopForwardingWhere(sent: string): number;
  forwardAgain(): void;
  /**
   * From now on what the server says is kept back, on the connections there are over which the client has sent this, until what is
   * returned is called: then it comes in one piece.
   */
  holdBackWhere(sent: string): () => void;
  close(): Promise<void>;
}

/** @param url whose host and port the proxy leads to. */
export async function proxyTo(url: string): Promise<TcpProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const pairs = new Set<{ ends: readonly [client: Socket, server: Socket]; sent: string }>();
  let swallowNew = false;
  const forward = (client: Socket): void => {
    const server = connect(Number(target.port || 5432), target.hostname);
    const pair = { ends: [client, server] as const, sent: '' };
    pairs.add(pair);
    client.on('data', (chunk) => {
      // What a connection is for is known by how it begins.
      if (pair.sent.length < 10_000) pair.sent += chunk.toString('latin1');
    });
    client.on('close', () => pairs.delete(pair));
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
    stopForwardingWhere(sent) {
      const stopped = [...pairs].filter((pair) => pair.sent.includes(sent));
      for (const { ends } of stopped) for (const socket of ends) socket.unpipe().pause();
      return stopped.length;
    },
    holdBackWhere(sent) {
      const held = [...pairs].filter((pair) => pair.sent.includes(sent));
      for (const { ends } of held) ends[1].unpipe().pause();
      return () => {
        for (const { ends } of held) {
          const [client, server] = ends;
          const said = server.read() as Buffer | null;
          if (said !== null) client.write(said);
          server.pipe(client);
        }
      };
    },
    forwardAgain() {
      swallowNew = false;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';

/** A connection that can be cut: pg says farewell first, and over a dead network would wait for the answer for ever. */
export class CuttableClient extends Client {
  private readonly socket: Socket;

  constructor(config: ClientConfig) {
    const socket = new Socket();
    super({ ...config, stream: () => socket });
    this.socket = socket;
  }

  cut(): void {
    this.socket.destroy();
  }
}

import { once } from 'node:events';
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { expect } from 'vitest';
import type { ProblemDetails } from '../../src/problems/problem-error.js';

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A connection on which requests are sent without waiting, and bytes that are none. */
export class RawConnection {
  /** Those that were asked for and have not come, in their order. */
  private readonly waiting: ((answer: RawAnswer | undefined) => void)[] = [];
  private readonly unasked: RawAnswer[] = [];
  private text = '';

  private constructor(readonly socket: Socket) {
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      this.text += chunk;
      this.takeAnswers();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const resolve of this.waiting.splice(0)) resolve(undefined);
    });
  }

  /** Resolves when it is open. @throws {Error} when it is refused. */
  static async open(url: string, options: Partial<TcpNetConnectOpts> = {}): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true, ...options });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  /** Resolves with nothing when the connection closes without the answer. */
  ask(path: string, headers = ''): Promise<RawAnswer | undefined> {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`);
    return this.answer();
  }

  /** The next answer. */
  answer(): Promise<RawAnswer | undefined> {
    const there = this.unasked.shift();
    if (there !== undefined || this.socket.destroyed) return Promise.resolve(there);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private takeAnswers(): void {
    for (;;) {
      const end = this.text.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = this.text.slice(0, end);
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      const next = end + 4 + length;
      if (this.text.length < next) return;
      const answer = { status: Number(head.slice(9, 12)), head, body: this.text.slice(end + 4, next) };
      this.text = this.text.slice(next);
      const resolve = this.waiting.shift();
      if (resolve === undefined) this.unasked.push(answer);
      else resolve(answer);
    }
  }
}

/** Expects a refusal as problem details. */
export function expectProblem(answer: RawAnswer | undefined, status: number, code: string): void {
  expect(answer?.status).toBe(status);
  expect(answer?.head).toMatch(/^content-type: application\/problem\+json\b/im);
  expect(JSON.parse(answer?.body ?? '') as ProblemDetails).toMatchObject({ status, code });
}

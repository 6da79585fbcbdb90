import { readFileSync } from 'node:fs';
import {
  createServer,
  IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  type RequestListener,
  type Server,
  ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Socket } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Settings } from '../config/settings.js';
import { ProblemError, problemDetails } from '../problems/problem-error.js';
import { requestId } from '../problems/request-id.js';
import { SECURITY_HEADERS } from './security-headers.js';
import { ServerState } from './server-state.js';

/** 500 member ids of 64 ASCII characters, with the rest of the path, fit (docs/design.md, "Contract"). */
export const MAX_URL_BYTES = 64 * 1024;
/** The URL, and the names and values of all headers, together; Node's default of 16 KiB would cut a long member list. */
export const MAX_HEAD_BYTES = 2 * MAX_URL_BYTES;
/** Node 20 drops further ones, and would answer by what is left. */
export const MAX_HEADERS = 1_000;
/** Milliseconds within which a request has to have come, from the opening of its connection or its own first byte. */
const RECEIVE_TIMEOUT_MS = 10_000;
/** How often Node looks for requests that have not. */
const CHECK_INTERVAL_MS = 1_000;
/** Milliseconds for which a refused client may go on sending before its connection is cut. */
const LINGER_MS = 1_000;
/** Descriptors that connections leave to files, sockets that listen, and issuers; the pool's come on top. */
const RESERVED_DESCRIPTORS = 128;
/** More would take memory without end: 10,000 take 130 MB. */
const MAX_CONNECTIONS = 16_384;

/** From this share of the bound on, each answer closes its connection: those that wait must not keep new clients out. */
const CROWDED = 0.9;

/** The HTTP server of one service. */
export interface SignatureServer extends Server {
  state: ServerState;
  /** The connections there are. */
  readonly sockets: ReadonlySet<Socket>;
}

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[];

/** A response whose state is tracked. */
export interface TrackedResponse extends ServerResponse {
  /** Whether its request is one of those under way. */
  counts: boolean;
  /** Whether its request waits for the one before on its connection. */
  waits: boolean;
}

/** Node's HTTP server with limits for heads, time and connections; what its parser refuses is answered with problem details. */
export function createSignatureServer(listener: RequestListener, settings: Settings): SignatureServer {
  /** The last answer on each connection, given or still to come. */
  const answers = new WeakMap<Socket, TrackedResponse>();
  class Request extends IncomingMessage {
    /** Node reads on when a request ends; not while others wait. */
    override _read(size: number): void {
      if (!answers.get(this.socket)?.waits) super._read(size);
    }
  }
  class Answer extends ServerResponse implements TrackedResponse {
    counts = false;
    waits = false;

    override writeHead(status: number, reason?: string | Headers, headers?: Headers): this {
      const { state } = server;
      // A connection kept alive would delay the end.
      if (state.draining || sockets.size > server.maxConnections * CROWDED) this.shouldKeepAlive = false;
      if (this.counts) {
        this.counts = false;
        state.underWay--;
        state.answered++;
      }
      return super.writeHead(status, reason as string, headers);
    }
  }
  const pauseIfWaiting = (socket: Socket): void => {
    if (answers.get(socket)?.waits) socket.pause();
  };
  const answer: RequestListener = (request, response) => {
    const { socket } = request;
    const before = answers.get(socket);
    answers.set(socket, response as TrackedResponse);
    if (before === undefined || before.closed) {
      listener(request, response);
      return;
    }
    // Pipelined. Node takes thousands out of one read: begun at once, they would keep all other connections waiting.
    (response as TrackedResponse).waits = true;
    // Later: Node goes on reading at the end of each request that it takes out.
    process.nextTick(pauseIfWaiting, socket);
    const begin = (): void => {
      (response as TrackedResponse).waits = false;
      if (answers.get(socket) === response) socket.resume();
      if (socket.writable) listener(request, response);
    };
    before.once('close', () => setImmediate(begin));
  };
  const sockets = new Set<Socket>();
  const server = Object.assign(
    createServer(
      {
        IncomingMessage: Request,
        ServerResponse: Answer as unknown as typeof ServerResponse,
        maxHeaderSize: MAX_HEAD_BYTES,
        headersTimeout: RECEIVE_TIMEOUT_MS,
        requestTimeout: RECEIVE_TIMEOUT_MS,
        connectionsCheckingInterval: CHECK_INTERVAL_MS,
        keepAliveTimeout: settings.keepAliveTimeout,
        // Refused by the request hook, with problem details.
        requireHostHeader: false,
      },
      answer,
    ),
    // Whoever has sent all that it wants to ask may close its side and wait for the answer.
    { state: new ServerState(), sockets, httpAllowHalfOpen: true },
  );
  // A client that does not read its answer.
  server.timeout = settings.requestTimeout + RECEIVE_TIMEOUT_MS;
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = maxConnections(settings.databasePoolSize);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  // As above: the request hook refuses it.
  server.on('checkExpectation', answer);
  server.on('connect', ({ url, headers }: IncomingMessage, socket: Socket) => {
    const problem = new ProblemError('method_not_allowed', 'This service is no proxy.');
    socket.on('error', () => socket.destroy());
    refuse(server, problem, socket, url, requestId(headers['x-request-id']));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    refuseUnparsed(server, error, socket, answers.get(socket));
  });
  return server;
}

export function serverOf(app: NestFastifyApplication): SignatureServer {
  return app.getHttpServer() as SignatureServer;
}

/** The descriptors that this process may have, less what else it needs. */
function maxConnections(poolSize: number): number {
  let limit: string | undefined;
  try {
    limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  } catch {
    // Not Linux: there, it is for trying out.
  }
  const left = Number(limit ?? Infinity) - poolSize - RESERVED_DESCRIPTORS;
  return Math.max(1, Math.min(left, MAX_CONNECTIONS));
}

/** Sockets that were answered after a parser error. */
const refused = new WeakSet<Socket>();

/**
 * Answers a request that Node's HTTP parser rejected; there is no reply object.
 *
 * @param answer the last one on this connection: what came before it is answered first.
 */
function refuseUnparsed(
  server: Server,
  error: NodeJS.ErrnoException,
  socket: Socket,
  answer: ServerResponse | undefined,
): void {
  // The rest of the request is read and dropped: unread bytes would make TCP reset the connection and lose the answer.
  if (refused.has(socket)) return;
  // Nobody waits for an answer: a browser opens connections in advance.
  const unused = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && socket.bytesRead === 0;
  if (error.code === 'ECONNRESET' || unused || !socket.writable) {
    socket.destroy();
    return;
  }
  refused.add(socket);
  const answerIt = (): void => {
    refuse(server, problemOf(error.code), socket);
  };
  if (answer === undefined || answer.writableFinished) answerIt();
  else answer.once('finish', answerIt);
}

/** Writes a whole answer to a socket and closes it; the server's event `refused` tells the log of it. */
function refuse(server: Server, problem: ProblemError, socket: Socket, url = '', id = requestId(undefined)): void {
  const body = JSON.stringify(problemDetails(problem, url, id));
  const headers = {
    ...problem.headers,
    ...SECURITY_HEADERS,
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    Connection: 'close',
    'X-Request-Id': id,
    'Content-Length': Buffer.byteLength(body),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
  server.emit('refused', problem, id);
}

/** @param code of an error of Node's HTTP parser. */
function problemOf(code: string | undefined): ProblemError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return headTooLarge();
    case 'HPE_INVALID_URL':
      return undecodable();
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ProblemError('request_timeout', `The request was not there within ${RECEIVE_TIMEOUT_MS / 1000} s.`);
    default:
      return new ProblemError('malformed_url', 'This is not a well-formed HTTP request.');
  }
}

export function headTooLarge(): ProblemError {
  const limits = `${MAX_HEAD_BYTES} bytes together, or ${MAX_HEADERS} headers`;
  return new ProblemError('uri_too_long', `URL and headers exceed ${limits}.`);
}

export function undecodable(): ProblemError {
  return new ProblemError('malformed_url', 'The URL is not percent-encoded UTF-8.');
}

import { randomUUID } from 'node:crypto';
import { ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import fastifyCors from '@fastify/cors';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { Settings } from '../config/settings.js';
import { serveApiDocument } from './api-document.js';
import { ProblemError, problemDetails } from '../problems/problem-error.js';
import { ProblemFilter, sendProblem } from './problem.filter.js';

/** 500 member ids of 64 ASCII characters, with the rest of the path, fit (DESIGN, "The contract"). */
const MAX_URL_BYTES = 64 * 1024;

/** The request line and all headers together; Node's own limit of 16 KiB would cut a long member list. */
const MAX_HEAD_BYTES = 2 * MAX_URL_BYTES;

/** After a refusal a client may go on sending, and keep its connection, for so long. */
const LINGER_MS = 1_000;

/** Where requests go whose path does not decode. With a space, which no request line can carry in its URL. */
const MALFORMED = '/ malformed';

/** Seconds a browser may remember that it may call. */
const CORS_MAX_AGE = 86_400;

interface TimedRequest extends FastifyRequest {
  /** When it is refused if it is not answered yet, by `performance.now()`. */
  deadline: number;
}

/** What an application of this service is created with, besides its adapter. */
export const APPLICATION_OPTIONS = { bodyParser: false } as const;

/** The HTTP server, with its limits raised to what the contract promises and every refusal of its own as problem details. */
export function httpAdapter(): FastifyAdapter {
  let closing = false;
  /** An answer that, once the service is closing, ends its connection: one that is kept open would hold up the end. */
  class Answer extends ServerResponse {
    override writeHead(...head: unknown[]): this {
      if (closing) this.shouldKeepAlive = false;
      return super.writeHead(...(head as [number]));
    }
  }
  const adapter = new FastifyAdapter({
    http: { maxHeaderSize: MAX_HEAD_BYTES, ServerResponse: Answer as typeof ServerResponse },
    // No middleware is used, and looking for it costs each request.
    skipMiddie: true,
    genReqId: () => randomUUID(),
    // No part of a URL that is short enough is too long.
    routerOptions: { maxParamLength: MAX_HEAD_BYTES, ignoreTrailingSlash: true },
    rewriteUrl: setAsideMalformed,
    clientErrorHandler: refuseUnparsed,
  });
  adapter.getInstance().addHook('preClose', (done) => {
    closing = true;
    done();
  });
  return adapter;
}

/** What every application of this service has, in production and in tests: refusals, CORS, the URL's limit, the API document. */
export async function setUpHttp(app: NestFastifyApplication): Promise<void> {
  const { corsOrigins, requestTimeout } = app.get(Settings);
  app.useGlobalFilters(new ProblemFilter());
  // Nest's own `enableCors` copies each header to the response beneath Fastify's, which makes Node take its slow path.
  await app.register(fastifyCors, {
    origin: corsOrigins === '*' ? '*' : [...corsOrigins],
    methods: ['GET', 'HEAD'],
    allowedHeaders: ['Authorization'],
    exposedHeaders: ['Retry-After', 'WWW-Authenticate'],
    maxAge: CORS_MAX_AGE,
    // An OPTIONS that is no preflight is answered like one.
    strictPreflight: false,
  });
  const fastify = app.getHttpAdapter().getInstance();
  // No route takes a body. One that comes all the same is not read, so that it cannot be wrong.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => {
    done(null);
  });
  fastify.decorateRequest('deadline', 0);
  fastify.addHook('onRequest', (request, reply, done) => {
    (request as TimedRequest).deadline = performance.now() + requestTimeout;
    if (request.originalUrl.length > MAX_URL_BYTES) {
      sendProblem(tooLong(), request, reply);
      return;
    }
    if (request.raw.url === MALFORMED) {
      sendProblem(malformed(), request, reply);
      return;
    }
    dropEmptyParams(request.params as Record<string, string>);
    done();
  });
  serveApiDocument(app);
}

/**
 * A path that does not decode is routed to where nothing is, and refused by the hook there: the router would refuse it
 * before any hook runs, and a page in a browser could not read the refusal.
 */
function setAsideMalformed({ url = '' }: { url?: string | undefined }): string {
  if (!url.includes('%')) return url;
  try {
    decodeURIComponent(url.replace(/\?.*$/s, ''));
    return url;
  } catch {
    return MALFORMED;
  }
}

function malformed(): ProblemError {
  return new ProblemError('malformed_url', 'The URL is not percent-encoded UTF-8.');
}

function tooLong(): ProblemError {
  return new ProblemError('uri_too_long', `The URL may have at most ${MAX_URL_BYTES} bytes.`);
}

/** Nest answers an empty part of a path (`//`) with "not found"; as an absent one it reaches the guard, which has a code for it. */
function dropEmptyParams(params: Record<string, string>): void {
  for (const name in params) if (params[name] === '') Reflect.deleteProperty(params, name);
}

/** Sockets whose request could not be parsed, and was refused. */
const refused = new WeakSet<Socket>();

/** Answers what Node's HTTP parser gave up on; there is no request to answer through. */
function refuseUnparsed(error: Error & { code?: string }, socket: Socket): void {
  // What still comes is read and dropped: if it were left unread, the network would take back the answer.
  if (refused.has(socket)) return;
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  refused.add(socket);
  const problem = unparsed(error.code);
  const body = JSON.stringify(problemDetails(problem, '', randomUUID()));
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n` +
      'Content-Type: application/problem+json\r\nCache-Control: no-store\r\nConnection: close\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function unparsed(code: string | undefined): ProblemError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new ProblemError(
        'uri_too_long',
        `The URL (at most ${MAX_URL_BYTES} bytes) or the headers are too long.`,
      );
    case 'HPE_INVALID_URL':
      return malformed();
    default:
      return new ProblemError('malformed_url', 'This is not a well-formed HTTP request.');
  }
}

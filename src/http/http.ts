import { type IncomingMessage, METHODS, ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import fastifyCors from '@fastify/cors';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { Settings } from '../config/settings.js';
import { ProblemError, problemDetails } from '../problems/problem-error.js';
import { requestId } from '../problems/request-id.js';
import { serveApiDocument } from './api-document.js';
import { ProblemFilter, sendProblem } from './problem.filter.js';

/** 500 member ids of 64 ASCII characters, with the rest of the path, fit (DESIGN, "The contract"). */
const MAX_URL_BYTES = 64 * 1024;
/** The request line and all headers together; Node's default of 16 KiB would cut a long member list. */
const MAX_HEAD_BYTES = 2 * MAX_URL_BYTES;
/** Milliseconds for which a refused client may go on sending before its connection is cut. */
const LINGER_MS = 1_000;
/** Stands for a path that does not decode. The URL of a request line cannot hold its space. */
const UNDECODABLE = '/ malformed';
/** Seconds for which a browser may cache the answer to a preflight. */
const CORS_MAX_AGE = 86_400;
/** Every path that is there answers GET, and with it HEAD; OPTIONS is a preflight's, and Node keeps CONNECT to itself. */
const REFUSED_METHODS = METHODS.filter((method) => !['GET', 'HEAD', 'OPTIONS', 'CONNECT'].includes(method));

export const APPLICATION_OPTIONS = { bodyParser: false } as const;

/** Fastify with the limits of the contract; what Node's HTTP parser rejects is answered with problem details too. */
export function httpAdapter(): FastifyAdapter {
  let closing = false;
  /** Ends its connection once the service is closing: a connection kept alive would delay the exit. */
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
    genReqId: ({ headers }: IncomingMessage) => requestId(headers['x-request-id']),
    // What comes while the service closes is answered like any other request.
    return503OnClosing: false,
    routerOptions: { maxParamLength: MAX_HEAD_BYTES, ignoreTrailingSlash: true },
    rewriteUrl: ({ url = '' }) => (isDecodable(url) ? url : UNDECODABLE),
    clientErrorHandler: refuseUnparsed,
  });
  adapter.getInstance().addHook('preClose', (done) => {
    closing = true;
    done();
  });
  return adapter;
}

/** Sets up what production and tests share: problem details, CORS, the URL's limit, the deadline, the API document. */
export async function setUpHttp(app: NestFastifyApplication): Promise<void> {
  const { corsOrigins, requestTimeout } = app.get(Settings);
  app.useGlobalFilters(new ProblemFilter());
  const fastify = app.getHttpAdapter().getInstance();
  fastify.decorateRequest('deadline', 0);
  // Before CORS, which answers preflights itself.
  fastify.addHook('onRequest', (request, reply, done) => {
    request.deadline = performance.now() + requestTimeout;
    void reply.header('X-Request-Id', request.id);
    done();
  });
  // Nest's own `enableCors` copies each header to the response beneath Fastify's, which makes Node take its slow path.
  await app.register(fastifyCors, {
    origin: corsOrigins === '*' ? '*' : [...corsOrigins],
    methods: ['GET', 'HEAD'],
    allowedHeaders: ['Authorization', 'X-Request-Id'],
    exposedHeaders: ['Allow', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'WWW-Authenticate', 'X-Request-Id'],
    maxAge: CORS_MAX_AGE,
    // An OPTIONS request that is no preflight is answered like one.
    strictPreflight: false,
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    const { originalUrl, raw, params } = request as typeof request & { params: Record<string, string> };
    // Nest answers an empty part of a path (`//`) with "not found"; an absent one reaches the guard, which has a code for it.
    for (const name in params) if (params[name] === '') Reflect.deleteProperty(params, name);
    if (originalUrl.length > MAX_URL_BYTES) sendProblem(problemOf('URL_TOO_LONG'), request, reply);
    else if (raw.url === UNDECODABLE) sendProblem(problemOf('HPE_INVALID_URL'), request, reply);
    else done();
  });
  refuseOtherMethods(fastify);
  serveApiDocument(app);
}

/** Gives each path that is routed from now on an answer to the methods that it does not take. */
function refuseOtherMethods(fastify: FastifyInstance): void {
  // No route takes a body: one that comes all the same is not read, so it cannot be wrong.
  for (const method of REFUSED_METHODS) fastify.addHttpMethod(method, { hasBody: false, overrideExisting: true });
  fastify.addHook('onRoute', ({ method, url }) => {
    if (![method].flat().includes('GET')) return;
    fastify.route({
      method: REFUSED_METHODS,
      url,
      handler: (request, reply) => {
        sendProblem(new ProblemError('method_not_allowed', 'This path answers GET and HEAD.'), request, reply);
      },
    });
  });
}

/** The router would refuse an undecodable path before the CORS hook runs, so a page in a browser could not read the refusal. */
function isDecodable(url: string): boolean {
  if (!url.includes('%')) return true;
  try {
    decodeURIComponent(url.replace(/\?.*$/s, ''));
    return true;
  } catch {
    return false;
  }
}

/** Sockets that were answered after a parser error. */
const refused = new WeakSet<Socket>();

/** Answers a request that Node's HTTP parser rejected; there is no reply object. */
function refuseUnparsed(error: Error & { code?: string }, socket: Socket): void {
  // The rest of the request is read and dropped: unread bytes would make TCP reset the connection and lose the answer.
  if (refused.has(socket)) return;
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  refused.add(socket);
  const problem = problemOf(error.code);
  const id = requestId(undefined);
  const body = JSON.stringify(problemDetails(problem, '', id));
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n` +
      'Content-Type: application/problem+json\r\nCache-Control: no-store\r\nConnection: close\r\n' +
      `X-Request-Id: ${id}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/** @param code of an error of Node's HTTP parser, or `URL_TOO_LONG`. */
function problemOf(code: string | undefined): ProblemError {
  switch (code) {
    case 'URL_TOO_LONG':
      return new ProblemError('uri_too_long', `The URL may have at most ${MAX_URL_BYTES} bytes.`);
    case 'HPE_HEADER_OVERFLOW':
      return new ProblemError('uri_too_long', `URL and headers exceed ${MAX_HEAD_BYTES} bytes together.`);
    case 'HPE_INVALID_URL':
      return new ProblemError('malformed_url', 'The URL is not percent-encoded UTF-8.');
    default:
      return new ProblemError('malformed_url', 'This is not a well-formed HTTP request.');
  }
}

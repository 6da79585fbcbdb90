import { type IncomingMessage, METHODS, type RequestListener, type Server } from 'node:http';
import fastifyCors from '@fastify/cors';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { Settings } from '../config/settings.js';
import { ProblemError } from '../problems/problem-error.js';
import { RateLimit } from '../problems/rate-limit.js';
import { requestId } from '../problems/request-id.js';
import { serveApiDocument } from './api-document.js';
import { networkOf } from './client-address.js';
import { LoadShedding, TOO_MUCH } from './load-shedding.js';
import { ProblemFilter, sendProblem } from './problem.filter.js';
import { securityHeaders } from './security-headers.js';
import { ServerState } from './server-state.js';
import {
  createSignatureServer,
  headTooLarge,
  MAX_HEAD_BYTES,
  MAX_HEADERS,
  MAX_URL_BYTES,
  serverOf,
  type TrackedResponse,
  undecodable,
} from './server.js';

/** Stands for a path that does not decode. The URL of a request line cannot hold its space. */
const UNDECODABLE = '/ malformed';
/** What pages of other origins may read. Of a list, the plugin would make this text for each request. */
const EXPOSED_HEADERS = [
  ...['Allow', 'RateLimit', 'RateLimit-Policy', 'Retry-After'],
  ...['Signature-Key-Version', 'WWW-Authenticate', 'X-Request-Id'],
].join(', ');
/** Seconds for which a browser may cache the answer to a preflight. */
const CORS_MAX_AGE = 86_400;
/** A path answers GET and HEAD, or, of the checker, POST. The plugin for CORS answers OPTIONS, and `server.ts` CONNECT. */
const REFUSED_METHODS = METHODS.filter((method) => !['GET', 'HEAD', 'OPTIONS', 'CONNECT'].includes(method));

/** Marks the routes that answer the methods which a path does not take. */
const REFUSES = {};

export const APPLICATION_OPTIONS = { bodyParser: false } as const;

/** Fastify on a server with the limits of the contract. */
export function httpAdapter(settings: Settings): FastifyAdapter {
  return new FastifyAdapter({
    serverFactory: (listener: RequestListener): Server => createSignatureServer(listener, settings),
    // The server has its own.
    clientErrorHandler: () => undefined,
    // No middleware is used, and looking for it costs each request.
    skipMiddie: true,
    genReqId: ({ headers }: IncomingMessage) => requestId(headers['x-request-id']),
    // What comes while the service closes is answered like any other request.
    return503OnClosing: false,
    trustProxy: settings.trustProxy.length > 0 && [...settings.trustProxy],
    routerOptions: { maxParamLength: MAX_HEAD_BYTES, ignoreTrailingSlash: true },
    rewriteUrl: ({ url = '' }) => (url === '*' ? '/*' : isDecodable(url) ? url : UNDECODABLE),
  });
}

/** Sets up what production and tests share: problem details, CORS, the URL's limit, the deadline, the API document. */
export async function setUpHttp(app: NestFastifyApplication): Promise<void> {
  const { corsOrigins, rateLimitPerAddress, requestTimeout } = app.get(Settings);
  app.useGlobalFilters(new ProblemFilter());
  const fastify = app.getHttpAdapter().getInstance();
  const server = serverOf(app);
  const state = (server.state = app.get(ServerState));
  const load = new LoadShedding(state);
  const perAddress = rateLimitPerAddress === 0 ? undefined : new RateLimit('address', rateLimitPerAddress);
  fastify.addHook('preClose', (done) => {
    state.draining = true;
    load.stop();
    done();
  });
  fastify.decorateRequest('deadline', 0);
  fastify.decorateRequest('problem', undefined);
  // Before CORS, which answers preflights itself.
  fastify.addHook('onRequest', (request, reply, done) => {
    request.deadline = performance.now() + requestTimeout;
    void reply.headers(securityHeaders(request.originalUrl)).header('X-Request-Id', request.id);
    done();
  });
  // Nest's own `enableCors` copies each header to the response beneath Fastify's, which makes Node take its slow path.
  await app.register(fastifyCors, {
    origin: corsOrigins === '*' ? '*' : [...corsOrigins],
    methods: ['GET', 'HEAD'],
    allowedHeaders: ['Authorization', 'X-Request-Id'],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: CORS_MAX_AGE,
    // An OPTIONS request that is no preflight is answered like one.
    strictPreflight: false,
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    const { originalUrl, raw, params } = request as typeof request & { params: Record<string, string> };
    // By its route: the same path can be written in many ways. Health and pages cost nothing.
    const costs = 'app_id' in params;
    // Nest answers an empty part of a path (`//`) with "not found"; an absent one reaches the guard, which has a code for it.
    for (const name in params) if (params[name] === '') Reflect.deleteProperty(params, name);
    if (costs) {
      if (load.isTooMuch()) {
        // Answered at once, they would ask again within this turn of the event loop, which then would not end.
        setImmediate(sendProblem, TOO_MUCH, request, reply);
        return;
      }
      state.underWay++;
      (reply.raw as TrackedResponse).counts = true;
    }
    const refusal = refusalOf(originalUrl, raw) ?? (costs ? perAddress?.refusal(networkOf(request.ip)) : undefined);
    if (refusal !== undefined) sendProblem(refusal, request, reply);
    else done();
  });
  refuseOtherMethods(fastify);
  serveApiDocument(app);
}

/** Gives each path that is routed from now on an answer to the methods that it does not take. */
function refuseOtherMethods(fastify: FastifyInstance): void {
  // Fastify reads no body, so that none can be wrong; the checker reads its own from the raw request.
  for (const method of REFUSED_METHODS) fastify.addHttpMethod(method, { hasBody: false, overrideExisting: true });
  fastify.addHook('onRoute', ({ method, url, config }) => {
    const isGet = [method].flat().includes('GET');
    if (config === REFUSES || !(isGet || method === 'POST')) return;
    const problem = isGet
      ? new ProblemError('method_not_allowed', 'This path answers GET and HEAD.')
      : new ProblemError('method_not_allowed', 'This path answers POST.', { headers: { Allow: 'POST, OPTIONS' } });
    fastify.route({
      method: isGet ? REFUSED_METHODS : [...REFUSED_METHODS.filter((name) => name !== 'POST'), 'GET'],
      url,
      config: REFUSES,
      handler: (request, reply) => {
        sendProblem(problem, request, reply);
      },
    });
  });
}

/** What is wrong with the head of a request, where Node's parser takes it. */
function refusalOf(
  url: string,
  { url: decodable, headers, rawHeaders, httpVersionMinor }: IncomingMessage,
): ProblemError | undefined {
  if (url.length > MAX_URL_BYTES) {
    return new ProblemError('uri_too_long', `The URL may have at most ${MAX_URL_BYTES} bytes.`);
  }
  if (decodable === UNDECODABLE) return undecodable();
  // Names and values in turn.
  if (rawHeaders.length > 2 * MAX_HEADERS) return headTooLarge();
  // RFC 9112, section 3.2. Node keeps the first line of several, a proxy may have gone by the last.
  const hosts = countHosts(rawHeaders);
  if (hosts > 1 || (hosts === 0 && httpVersionMinor > 0)) {
    return new ProblemError('malformed_url', `The request has ${hosts === 0 ? 'no' : 'more than one'} Host header.`);
  }
  // RFC 9110, section 10.1.1.
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    return new ProblemError('expectation_failed', 'The only expectation that can be met is 100-continue.');
  }
  return undefined;
}

/** @param rawHeaders names and values in turn. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') count++;
  }
  return count;
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

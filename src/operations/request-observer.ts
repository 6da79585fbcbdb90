import type { Server } from 'node:http';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ProblemError } from '../problems/problem-error.js';
import { ACTIONS, type ActionName } from '../signature/actions.js';
import type { SignatureRequest } from '../signature/signature-request.js';
import type { SignatureHttpRequest } from '../signature/sorted-members.guard.js';
import { RequestCells } from './request-cells.js';
import { RequestLog } from './request-log.js';
import type { LogFields } from './service-logger.js';
import { traceId } from './trace-id.js';

/** The routes of health; probes are many, and `Health` itself says when it changes. */
const HEALTH = '/health/';
const ACTION = /^\/signature\/([a-z-]+)(?:\/|$)/;

type ObservedRequest = FastifyRequest &
  Partial<Pick<SignatureHttpRequest, 'app' | 'signatureRequest' | 'shadowRefusal'>>;

/** Counts each answer, and logs those that are to be logged, when it is sent. */
@Injectable()
export class RequestObserver implements OnModuleInit {
  constructor(
    private readonly adapterHost: HttpAdapterHost<FastifyAdapter>,
    private readonly cells: RequestCells,
    private readonly log: RequestLog,
  ) {}

  onModuleInit(): void {
    const { httpAdapter } = this.adapterHost;
    httpAdapter.getInstance().addHook('onResponse', (request, reply, done) => {
      this.observe(request, reply);
      done();
    });
    // What is no request for Fastify.
    httpAdapter.getHttpServer<Server>().on('refused', (problem: ProblemError, requestId: string) => {
      this.cells.countElsewhere(problem.code);
      this.log.refused(problem, { request_id: requestId, status: problem.status, code: problem.code });
    });
  }

  private observe(request: ObservedRequest, reply: FastifyReply): void {
    const { problem, signatureRequest, shadowRefusal, app } = request;
    const milliseconds = reply.elapsedTime;
    const action = signatureRequest?.action ?? (problem && actionOf(request.routeOptions.url));
    if (action !== undefined) this.cells.count(action, app?.appId, problem?.code, milliseconds / 1000);
    if (action !== undefined && app !== undefined && shadowRefusal !== undefined) {
      this.cells.countShadowed(action, app.appId, shadowRefusal);
    }
    if (problem === undefined && shadowRefusal === undefined && !this.log.all) return;
    if (request.originalUrl.startsWith(HEALTH)) return;
    if (action === undefined && problem !== undefined) this.cells.countElsewhere(problem.code);
    const fields = {
      request_id: request.id,
      status: reply.statusCode,
      code: problem?.code,
      action,
      // Of a well-formed request only: what else a path holds may be anything.
      ...(signatureRequest && logFieldsOf(signatureRequest)),
      duration_ms: Math.round(milliseconds * 10) / 10,
      trace_id: traceId(request.headers.traceparent),
    };
    if (problem !== undefined) this.log.refused(problem, fields);
    else if (shadowRefusal !== undefined) this.log.shadowed(shadowRefusal, fields);
    else this.log.answered(fields);
  }
}

/** By the names of the options of `im-signature explain`, which tells why. */
function logFieldsOf({ appId, clientId, conversationId, sortedMemberIds }: SignatureRequest): LogFields {
  return {
    app_id: appId,
    client_id: clientId,
    conversation_id: conversationId === '' ? undefined : conversationId,
    members: sortedMemberIds === '' ? undefined : sortedMemberIds,
  };
}

/** The action of a route that refused before the request was read. */
function actionOf(route = ''): ActionName | undefined {
  const name = ACTION.exec(route)?.[1] ?? '';
  return Object.hasOwn(ACTIONS, name) ? (name as ActionName) : undefined;
}

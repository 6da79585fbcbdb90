import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError, problemDetails } from '../problems/problem-error.js';

/** Turns everything that is thrown while a request is answered into problem details. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Problem');

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const problem = asProblem(thrown);
    // A refusal is the caller's affair; what the service could not do is the operator's.
    if (problem.status >= 500) {
      this.logger.error(`${request.id} ${problem.code}: ${reason(problem.cause) ?? problem.detail}`);
    }
    sendProblem(problem, request, http.getResponse<FastifyReply>());
  }
}

/** What the service did not foresee is answered as `unavailable`: no signature, and nothing of the fault. */
function asProblem(thrown: unknown): ProblemError {
  if (thrown instanceof ProblemError) return thrown;
  // What the framework refuses, such as a file beside the pages of /docs, is nothing this service has.
  if (isClientError(thrown)) {
    return new ProblemError('route_not_found', 'Nothing answers this method at this path.');
  }
  return new ProblemError('unavailable', 'The service cannot answer right now.', { cause: thrown });
}

function isClientError(thrown: unknown): boolean {
  const status =
    thrown instanceof HttpException
      ? thrown.getStatus()
      : (thrown as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500;
}

export function sendProblem(problem: ProblemError, request: FastifyRequest, reply: FastifyReply): void {
  void reply
    .code(problem.status)
    .headers({ ...problem.headers, 'Cache-Control': 'no-store' })
    .type('application/problem+json')
    .send(JSON.stringify(problemDetails(problem, request.originalUrl, request.id)));
}

function reason(cause: unknown): string | undefined {
  return cause instanceof Error ? (cause.stack ?? cause.message) : undefined;
}

import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError, problemDetails } from '../problems/problem-error.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Why it was refused, for the log and the metrics. */
    problem: ProblemError | undefined;
  }
}

/** Answers every error of a request with problem details. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    sendProblem(asProblem(thrown, request.originalUrl), request, http.getResponse<FastifyReply>());
  }
}

/** An unforeseen error becomes `unavailable`: no signature, and no word of the fault. */
function asProblem(thrown: unknown, url: string): ProblemError {
  if (thrown instanceof ProblemError) return thrown;
  const { statusCode = 500 } = (thrown ?? {}) as { statusCode?: number };
  const status = thrown instanceof HttpException ? thrown.getStatus() : statusCode;
  // The framework refuses what it finds no route or file for, such as a file beside the pages of /docs.
  return status >= 400 && status < 500
    ? new ProblemError('route_not_found', whyNotFound(url))
    : new ProblemError('unavailable', 'The service cannot answer right now.', { cause: thrown });
}

function whyNotFound(url: string): string {
  return /^\/signature\/conversation(?![^/?])/.test(url)
    ? 'There is no action "conversation": the protocol spells it "conversion", and so does the path, /signature/conversion/….'
    : 'Nothing is at this path; /docs lists the paths. A "/" within an id is written %2F.';
}

export function sendProblem(problem: ProblemError, request: FastifyRequest, reply: FastifyReply): void {
  request.problem = problem;
  void reply
    .code(problem.status)
    .headers({ ...problem.headers, 'Cache-Control': 'no-store' })
    .type('application/problem+json')
    .send(JSON.stringify(problemDetails(problem, request.originalUrl, request.id)));
}

import type { IncomingMessage } from 'node:http';
import { Controller, Header, HttpCode, Post, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Settings } from '../config/settings.js';
import { networkOf } from '../http/client-address.js';
import { before, DeadlineError } from '../problems/deadline.js';
import { requireId } from '../problems/ids.js';
import { ProblemError } from '../problems/problem-error.js';
import { RateLimit } from '../problems/rate-limit.js';
import { CheckerService } from './checker.service.js';
import { parseClaim } from './claim-body.js';
import { explain } from './texts.js';

const MAX_BODY_BYTES = 64 * 1024;

@ApiExcludeController()
@Controller('signature/diagnose')
export class DiagnoseController {
  private readonly limit: RateLimit | undefined;

  constructor(
    private readonly checker: CheckerService,
    private readonly settings: Settings,
  ) {
    // Nobody is identified here.
    if (settings.rateLimitPerMinute > 0) this.limit = new RateLimit('address', settings.rateLimitPerMinute);
  }

  /**
   * Says why a signature was refused.
   *
   * @throws {ProblemError} `route_not_found`, `rate_limited`, `request_timeout`, `body_too_large`, `invalid_body`,
   *   `invalid_app_id`, `invalid_conversion_id`, `app_not_found`, `app_disabled`, `unavailable`
   */
  @Post()
  @HttpCode(200)
  @Header('Content-Type', 'application/json; charset=utf-8')
  @Header('Cache-Control', 'no-store')
  async diagnose(@Req() request: FastifyRequest): Promise<string> {
    if (!this.settings.checker) throw new ProblemError('route_not_found', 'The checker is switched off (CHECKER).');
    const refusal = this.limit?.refusal(networkOf(request.ip));
    if (refusal !== undefined) throw refusal;
    const { claim, appKey } = parseClaim(
      await before(request.deadline, 'body', readText(request.raw)).catch(refuseLate),
    );
    requireId(claim.appId, 'invalid_app_id', 'app id');
    const diagnosis = await this.checker.diagnose(claim, appKey);
    const { verdict, mistakes, time, message } = diagnosis;
    return JSON.stringify({ verdict, explanations: explain(diagnosis), mistakes, time, message });
  }
}

/** Node answers a slow request itself, but not one that is being answered. */
function refuseLate(error: unknown): never {
  if (!(error instanceof DeadlineError)) throw error;
  throw new ProblemError('request_timeout', 'The body was not there in time.', { headers: { Connection: 'close' } });
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // The rest is read, and dropped: the answer then reaches a client that is still sending.
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_BODY_BYTES) {
    throw new ProblemError('body_too_large', `The body may have at most ${MAX_BODY_BYTES} bytes.`);
  }
  return Buffer.concat(chunks).toString();
}
